"""Where exports go: what is there is complete or absent, and nothing else is ever replaced."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tandem_shared.settings import SettingsError

_HEADER: Final = b"SQLite format 3\0"


@contextlib.contextmanager
def new_file(place: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a path beside `place` for an SQLite database, which becomes `place` in the end.

    After an exception `place` is as it was. Raises SettingsError for one that exists, unless it is
    a database that may be overwritten and that nobody has open with a log.
    """
    place = _checked(place)
    if place.exists() or place.is_symlink():
        if not overwrite:
            raise _exists(place)
        if not place.is_file() or not _is_database(place):
            raise SettingsError(f"--overwrite replaces SQLite databases only; {place} is none.")
    for beside in (f"{place}-wal", f"{place}-journal"):
        if os.path.exists(beside):
            raise SettingsError(
                f"{beside} is there: a program has the database open, or did not close it. Give "
                "another place, or have that program end."
            )
    with _folder_beside(place) as folder:
        made = folder / "export.db"
        yield made
        _sync(made)
        os.replace(made, place)
    _sync(place.parent)


@contextlib.contextmanager
def new_folder(place: Path, names: Sequence[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a folder beside `place` for files of these names, which becomes `place` in the end.

    After an exception `place` is as it was. Raises SettingsError for one that exists, unless it
    holds nothing but such files and may be overwritten.
    """
    place = _checked(place)
    if place.exists() or place.is_symlink():
        if not overwrite:
            raise _exists(place)
        if place.is_symlink() or not place.is_dir() or {*os.listdir(place)} - {*names}:
            raise SettingsError(
                f"--overwrite replaces folders that hold nothing but {', '.join(names)}; {place} "
                "is none."
            )
    with _folder_beside(place) as folder:
        made = folder / "export"
        made.mkdir()
        yield made
        for each in (*made.iterdir(), made):
            _sync(each)
        if place.exists():
            os.rename(place, folder / "before")
        os.rename(made, place)
    _sync(place.parent)


def _checked(place: Path) -> Path:
    place = Path(os.path.abspath(place))
    if not place.parent.is_dir():
        raise SettingsError(f"--to: the folder {place.parent} does not exist; create it.")
    return place


def _exists(place: Path) -> SettingsError:
    return SettingsError(f"--to: {place} exists. Give another place, or --overwrite to replace it.")


def _is_database(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_HEADER)) in (_HEADER, b"")


@contextlib.contextmanager
def _folder_beside(place: Path) -> Iterator[Path]:
    """A folder on the same file system, which is gone in the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise SettingsError(f"--to: {place.parent} takes no files: {error.strerror}.") from None
    try:
        yield folder
    except OSError as error:
        raise SettingsError(f"--to: {place} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
