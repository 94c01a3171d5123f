"""The file of an SQLite database: where it is, and what keeps the service from using it."""

import errno
import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL

_SPACE: Final = 256 * 1024
"""Bytes that must be free beside a database: one batch may lengthen its log by as many."""

# SQLite's file format: write and read version, of which 2 is a write-ahead log, and the bytes that
# readers lock.
_VERSIONS_AT: Final = 18
_WITH_LOG: Final = b"\x02\x02"
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def path_of(url: URL) -> Path:
    """The path of the database's file."""
    path = url.database or ""
    return Path(unquote(urlsplit(path).path) if path.startswith("file:") else path)


def why_unusable(path: Path) -> str | None:
    """Why the service's user cannot read and write a database there; None if nothing is known.

    Looks at names, modes and owners only. A file that is missing, but could be made, is no
    obstacle; SQLite would delete the log that it left behind.
    """
    folder = path.parent
    user = f"the service's user (id {os.geteuid()})"
    if os.path.isdir(path):
        return f"{path} is a directory; give the path of a file"
    if not os.path.isdir(folder):
        return f"the folder {folder} does not exist, or {user} may not look into it"
    if os.path.exists(path):
        if not os.access(path, os.R_OK):
            return f"{user} may not read {path}"
        if not os.access(path, os.W_OK):
            return f"{user} may not write to {path}, or its file system is read-only"
    beside = (f"{path}-wal", f"{path}-shm")
    if not os.path.exists(path) and _size(beside[0]):
        return (
            f"{path} is missing, but its log {beside[0]} is there, which may hold runs; put the "
            "database back, or move the log away"
        )
    if not (
        os.access(folder, os.W_OK | os.X_OK) or all(os.access(each, os.W_OK) for each in beside)
    ):
        return (
            f"{user} may not make files in the folder {folder}, as SQLite does beside the "
            "database, or its file system is read-only"
        )
    return None


def is_used_without_log(path: str) -> bool:
    """Whether another process has a database open whose `-wal` or `-shm` is not there any more.

    Two processes that share a database but not these files overwrite what the other stored. To be
    called while this process has no connection: POSIX ends all locks of a process on a file when
    it closes any descriptor of it.
    """
    if os.path.exists(f"{path}-wal") and os.path.exists(f"{path}-shm"):
        return False
    return is_used(path)


def is_used(path: str) -> bool:
    """Whether another process has a database with a write-ahead log open.

    To be called while this process has no connection, as `is_used_without_log`.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if os.pread(file, 2, _VERSIONS_AT) != _WITH_LOG:
            return False
        # A connection in this journal mode keeps the shared lock for as long as it is open.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN)
    finally:
        os.close(file)
    return False


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def check_space(folder: Path) -> None:
    """Raise OSError unless the folder's file system takes more bytes.

    Writes a file that has no name: only a write finds a quota exceeded.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_SPACE))
        file.flush()
