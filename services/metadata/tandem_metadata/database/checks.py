"""Checks whether the database takes writes, as far as can be seen without writing to it."""

import errno
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

from sqlalchemy import URL, Connection, Engine, event

from tandem_metadata.database import sqlite_file
from tandem_metadata.database.faults import FULL, MOVED, READ_ONLY
from tandem_metadata.database.pool import WAL
from tandem_shared.errors import Unavailable
from tandem_shared.observability.logs import RARELY

_Identity = tuple[int, int]  # device and inode

_BESIDE: Final = "tandem_files_beside"
"""Key of a connection's `info`: its write-ahead log and the log's index, by their paths."""

_ATTEMPTS: Final = 20
_PAUSE: Final = 0.05  # seconds: another process that starts has not made these files yet

_log = logging.getLogger("tandem.db")


class OpenedFile:
    """SQLite's file as the first connection of this process found it.

    SQLite goes on with files that were removed, where nobody finds what it stores. It also makes
    an empty database at the path for the next connection. Its methods are called concurrently:
    whichever thread connects first, they all find the same file.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._identity: _Identity | None = None
        self._lost: str | None = None

    def watch(self, engine: Engine) -> None:
        """Check before each connection of the pool is made, and remember the files it opened."""
        event.listen(engine, "do_connect", lambda *_: self._before_connecting())
        event.listen(engine, "connect", self._remember)

    def _before_connecting(self) -> None:
        if self._identity:
            self.check()
            return
        # Once a connection is open, closing another descriptor would end its locks.
        for _ in range(_ATTEMPTS):
            if not sqlite_file.is_used_without_log(self._path):
                return
            time.sleep(_PAUSE)
        self._refuse(
            f"another process uses {self._path}, but its -wal or -shm was removed; stop all that "
            "use it, then start again"
        )

    def _remember(self, _: object, record: Any) -> None:
        self._identity = self._identity or _identity(self._path)
        if log := record.info.get(WAL):
            # SQLite ends the name of the log with -wal, that of its index with -shm.
            beside = (log, f"{log.removesuffix('-wal')}-shm")
            record.info[_BESIDE] = {path: _identity(path) for path in beside}

    def check(self, info: Mapping[str, Any] = MappingProxyType({}), *, quiet: bool = False) -> None:
        """Raise Unavailable, with a reason, if the file is not there any more.

        The same for the log, and the log's index, that the connection of this `info` has open.
        They cannot come back: another connection may have made new ones. With `quiet`, the
        service's log does not say why.
        """
        for path, opened in info.get(_BESIDE, {}).items():
            if opened and _identity(path) != opened:
                self._lost = path
        if self._lost:
            self._refuse(f"{self._lost} was removed or replaced in use; restart the service", quiet)
        if self._identity and _identity(self._path) != self._identity:
            self._refuse(
                f"{self._path} was moved or replaced in use; put it back, or stop the service, "
                f"remove {self._path}-wal and {self._path}-shm, and start it again",
                quiet,
            )

    def _refuse(self, why: str, quiet: bool = False) -> NoReturn:
        if not quiet:
            _log.warning("database unavailable: %s", why, extra=RARELY)
        raise Unavailable(MOVED, reason=why)


def _identity(path: str) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_access(url: URL) -> None:
    """Raise Unavailable, with a reason, if the service's user cannot use SQLite's file."""
    if why := sqlite_file.why_unusable(sqlite_file.path_of(url)):
        raise Unavailable(READ_ONLY, reason=why)


def check_file(url: URL) -> None:
    """Raise Unavailable, with a reason, if SQLite's file or its disk takes no writes."""
    check_access(url)
    path = sqlite_file.path_of(url)
    if url.query.get("mode") == "ro" or "immutable" in url.query:
        raise Unavailable(READ_ONLY, reason="the address opens the file read-only")
    try:
        sqlite_file.check_space(path.parent)
    except OSError as error:
        if error.errno in sqlite_file.DISK_FULL:
            sentence = FULL
        elif error.errno == errno.EROFS:
            sentence = READ_ONLY
        else:  # such as a read-only folder, in which SQLite's -wal and -shm exist
            return
        reason = f"the folder {path.parent} takes no more: {error.strerror}"
        raise Unavailable(sentence, reason=reason) from error


def is_read_only(conn: Connection) -> bool:
    """Whether PostgreSQL refuses writes of this connection, as a replica does."""
    setting = "SELECT current_setting('transaction_read_only')"
    return bool(conn.exec_driver_sql(setting).scalar() == "on")
