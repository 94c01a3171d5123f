"""SQLite's one writer at a time: the turn to write, and the way of a commit to the disk."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, exc

from tandem_metadata.database import sqlite_file
from tandem_metadata.database.faults import DISK_FAILS, is_busy
from tandem_metadata.database.pool import WAL
from tandem_shared.errors import Unavailable

_PAUSE: Final = 0.01  # seconds
_UNSPENT: Final = 0.9
"""The part of its time-out that a write has left when it has not waited yet."""

_log = logging.getLogger("tandem.db")


class WriterLock:
    """Queues the writers of this process, before they take a connection that a reader could use.

    SQLite would let them poll its file. Writers of other processes still do.
    """

    def __init__(self, timeout: float) -> None:
        """`timeout` is that of the connections, in seconds."""
        self._timeout = timeout
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def hold(self, until: float) -> Iterator[None]:
        """Be this process's writer. Called concurrently. Raises Unavailable at `until`."""
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Unavailable("The database is busy with other writes; try again later.")
        try:
            yield
        finally:
            self._lock.release()

    def begin(self, conn: Connection, until: float) -> None:
        """Begin the transaction, once other processes let it. Called by who holds the lock."""
        left = max(0.0, until - time.monotonic())
        waited = left < _UNSPENT * self._timeout
        if waited:
            _set_busy_timeout(conn, left)
        try:
            # The driver begins nothing by itself before the first change, and then a deferred
            # transaction, which cannot wait for a lock once it has read.
            conn.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            if waited:
                _set_busy_timeout(conn, self._timeout)


def sync(log: str) -> None:
    """Return once the write-ahead log is on the disk; raise Unavailable if the disk fails."""
    try:
        sqlite_file.sync(log)
    except OSError as error:
        reason = f"SQLite's log cannot be synced: {error.strerror}"
        _log.warning("database unavailable: %s", reason)
        raise Unavailable(DISK_FAILS, reason=reason) from error


def use_wal(conn: Connection, timeout: float) -> None:
    """Let readers and the writer work at once; the file remembers it.

    SQLite does not wait for locks here, and another process may be doing the same.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            conn.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
        except exc.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            if WAL not in conn.info:
                conn.invalidate()  # opened without a log, it would sync too much
            return


def _set_busy_timeout(conn: Connection, seconds: float) -> None:
    """Have SQLite wait that long for a lock."""
    connection: Any = conn.connection.driver_connection
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}").close()
