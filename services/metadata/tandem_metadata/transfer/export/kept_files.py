"""Files that are read in parts: kept for a while, so that the parts belong together.

All workers of a service share them, by their folder. Every method may be called by any thread, and
by several processes at once: files are complete when they get their names, and are never changed.
"""

import contextlib
import hashlib
import io
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import URL

from tandem_metadata.transfer.export.reading import Sink

FRESH_SECONDS: Final = 5.0
"""How long after its last use a file is given to one who begins to read."""

KEPT_SECONDS: Final = 60.0
"""How long after its last use a file is there for who goes on reading."""

_LONGEST: Final = 300.0
"""The age at which nobody begins to read a file, however much it is used."""

_SUFFIX: Final = ".parquet"
_LOOK: Final = 1024 * 1024
"""Bytes that are written between two looks at what all files take."""


class TooLarge(Exception):
    """There is no room for a file."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as it is read."""

    path: Path
    tag: str
    """Of its content, for ETag."""
    stat: os.stat_result


class KeptFiles:
    """Files by their keys, which together take no more than `limit` bytes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._made: set[Path] = set()

    def find(self, key: str, *, begins: bool) -> KeptFile | None:
        """The newest file of a key, which counts as used now; None for none that is kept.

        For one who `begins` to read, it must be fresh.
        """
        now = time.time()
        for path in sorted(self._files(), reverse=True):
            its_key, made, tag = path.name.removesuffix(_SUFFIX).split(".")
            if its_key != key:
                continue
            with contextlib.suppress(OSError):
                unused = now - path.stat().st_mtime
                age = now - int(made) / 1e9
                if unused > (FRESH_SECONDS if begins else KEPT_SECONDS):
                    return None
                if begins and age > _LONGEST:
                    return None
                os.utime(path)
                return KeptFile(path, tag, path.stat())
        return None

    def make(self, key: str, write: Callable[[Sink], object]) -> KeptFile:
        """A new file of a key, as `write` writes it.

        Raises TooLarge, OSError when the folder cannot be used, and what `write` raises.
        """
        self._prepare()
        self._sweep()
        descriptor, partial = tempfile.mkstemp(dir=self._folder, prefix="partial-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                sink = _Sink(file, self._check_room)
                write(sink)
            path = self._folder / f"{key}.{time.time_ns():020}.{sink.tag}{_SUFFIX}"
            os.rename(partial, path)
            self._made.add(path)
        except BaseException:
            os.unlink(partial)
            raise
        return KeptFile(path, sink.tag, path.stat())

    def close(self) -> None:
        """Delete the files that were made here, and the folder with the last of them."""
        for path in self._made:
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others have files in it
            self._folder.rmdir()

    def _prepare(self) -> None:
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
        self._check_folder()

    def _check_folder(self) -> None:
        """Raise OSError unless nobody else can have put files there: its name is no secret."""
        found = self._folder.lstat()
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.geteuid()
            or stat.S_IMODE(found.st_mode) & 0o077
        ):
            raise OSError(f"{self._folder} is not a folder of this user alone")

    def _files(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            self._check_folder()
            yield from (
                self._folder / name for name in os.listdir(self._folder) if name.endswith(_SUFFIX)
            )

    def _sweep(self) -> None:
        """Delete what nobody has used for long, among that what a killed process has left."""
        now = time.time()
        for name in os.listdir(self._folder):
            path = self._folder / name
            with contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime > KEPT_SECONDS:
                    path.unlink()
        for path in [*self._made]:
            if not path.exists():
                self._made.discard(path)

    def _check_room(self) -> None:
        """Raise TooLarge if all files take too much, after deleting those that are not in use."""
        used = {}
        for name in os.listdir(self._folder):
            with contextlib.suppress(FileNotFoundError):
                used[name] = (self._folder / name).stat()
        total = sum(each.st_size for each in used.values())
        now = time.time()
        for name in sorted(used, key=lambda name: used[name].st_mtime):
            if total <= self._limit:
                return
            if name.endswith(_SUFFIX) and now - used[name].st_mtime > FRESH_SECONDS:
                (self._folder / name).unlink(missing_ok=True)
                total -= used[name].st_size
        if total > self._limit:
            raise TooLarge


class _Sink(io.RawIOBase):
    """Writes a file, and looks from time to time whether there is room."""

    def __init__(self, file: IO[bytes], check_room: Callable[[], None]) -> None:
        super().__init__()
        self._file = file
        self._check_room = check_room
        self._unchecked = 0
        self._digest = hashlib.blake2b(digest_size=16)

    @property
    def tag(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        written = self._file.write(data)
        self._digest.update(data)
        self._unchecked += written
        if self._unchecked >= _LOOK:
            self._unchecked = 0
            self._file.flush()
            self._check_room()
        return written


def folder_of(url: URL) -> Path:
    """The folder of the files of a database's services, which only this user may look into."""
    named = f"{url.drivername} {url.host} {url.port} {url.database}"
    digest = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"tandem-export-{os.geteuid()}-{digest}"
