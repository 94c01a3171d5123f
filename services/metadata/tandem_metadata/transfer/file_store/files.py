"""Files of a file store that hold one value each, and what is read of any file there."""

import os
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of the longest file that is read at once; no API of MLflow's makes a longer one."""

_BLOCK: Final = 1024 * 1024
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO would wait for its writer
_FOREIGN: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_FOREIGN_STARTS: Final = ("._", ".nfs")


class Unreadable(Exception):
    """A file that gives nothing; says why, as the end of a sentence that begins with the file."""


class Problems(Protocol):
    """Hears of what is not taken over as it is; `transfer.report.Report` is one."""

    def skip(self, kind: str, path: str, reason: str, number: int = 1) -> None: ...
    def mend(self, kind: str, path: str, reason: str) -> None: ...


class Entry(NamedTuple):
    """A file below a folder of keys."""

    key: str
    """Its path below the folder: MLflow keeps keys so, without escapes."""
    path: str


def read(path: str, longest: int = LONGEST) -> bytes:
    """The bytes of a regular file; raises Unreadable."""
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            found = os.read(descriptor, _BLOCK)
            if len(found) < _BLOCK:
                if found or stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return found
                raise Unreadable("it is no regular file")
            parts = [found]
            size = _BLOCK
            while found := os.read(descriptor, _BLOCK):
                parts.append(found)
                size += len(found)
                if size > longest:
                    raise Unreadable(f"it has more than {longest // _BLOCK} MiB")
            return b"".join(parts)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from None


def blocks(path: str) -> Iterator[bytes]:
    """The bytes of a file, a part at a time; raises Unreadable."""
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            while found := os.read(descriptor, _BLOCK):
                yield found
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from None


def is_foreign(name: str) -> bool:
    """Whether operating systems leave files of that name in any folder."""
    return name in _FOREIGN or name.startswith(_FOREIGN_STARTS)


def decoded(raw: bytes) -> tuple[str, str]:
    """A value's text as databases can store it, and what was changed for that; "" for nothing."""
    changed = ""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="replace")
        changed = "it is not UTF-8: U+FFFD stands for what is no text"
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
        changed = changed or "it holds NUL, which databases refuse: U+FFFD takes its place"
    return text, changed


def entries(folder: str, kind: str, problems: Problems) -> list[Entry]:
    """The files below a folder of keys, sorted by key; none if there is no such folder.

    Folders are followed, but for symbolic links to them, which could lead round in a circle.
    """
    found: list[Entry] = []
    _collect(folder, "", kind, problems, found)
    found.sort()
    return found


def values(folder: str, kind: str, problems: Problems) -> dict[str, str]:
    """The values below a folder, by key; what cannot be read is skipped."""
    made: dict[str, str] = {}
    for key, path in entries(folder, kind, problems):
        try:
            raw = read(path)
        except Unreadable as error:
            problems.skip(kind, path, str(error))
            continue
        if raw.isascii() and b"\0" not in raw:
            made[key] = raw.decode()
            continue
        made[key], changed = decoded(raw)
        if changed:
            problems.mend(kind, path, changed)
    return made


def folders(folder: str) -> list[str]:
    """The names of the folders in a folder, sorted; none if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return sorted(entry.name for entry in found if _is_folder(entry))
    except OSError:
        return []


def _collect(folder: str, prefix: str, kind: str, problems: Problems, found: list[Entry]) -> None:
    try:
        with os.scandir(folder) as listed:
            for entry in listed:
                if entry.is_dir(follow_symlinks=False):
                    _collect(entry.path, f"{prefix}{entry.name}/", kind, problems, found)
                elif is_foreign(entry.name):
                    reason = "it is an operating system's own file, and no value"
                    problems.skip(kind, entry.path, reason)
                elif entry.is_file():
                    found.append(
                        Entry(_key(prefix + entry.name, entry, kind, problems), entry.path)
                    )
                else:
                    problems.skip(kind, entry.path, "it is no regular file")
    except FileNotFoundError:
        return
    except NotADirectoryError:
        problems.skip(kind, folder, "it is no folder")
    except OSError as error:
        problems.skip(kind, folder, f"it cannot be listed: {error.strerror}")


def _key(name: str, entry: "os.DirEntry[str]", kind: str, problems: Problems) -> str:
    if name.isascii():
        return name
    key, changed = decoded(os.fsencode(name))
    if changed:
        problems.mend(kind, entry.path, "its name is not UTF-8: U+FFFD stands for what is no text")
    return key


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link to itself
        return False
