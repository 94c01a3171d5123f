"""SQLite's one writer at a time: the turn to write, and the way of a commit to the disk."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, exc

from tandem_metadata.database.faults import DISK_FAILS, is_busy
from tandem_metadata.database.pool import WAL
from tandem_shared.errors import Unavailable
from tandem_shared.observability.logs import RARELY

_PAUSE: Final = 0.01  # seconds
_UNSPENT: Final = 0.9
"""The part of its time-out that a write has left when it has not waited yet."""

_CLOSED: Final = -1

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


class WriteAheadLog:
    """Has the commits of this process reach the disk. Its methods are called concurrently.

    After a sync that failed, the disk may lack pages that the next sync reports as written, and
    the log is of no use behind them. So no commit succeeds then until SQLite has moved the whole
    log into the database's file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = _CLOSED
        self._failed = False

    def recover(self, conn: Connection) -> None:
        """Empty a log that could not be synced. Called outside a transaction by the one writer.

        Raises Unavailable while others read, and SQLite's error while the disk fails.
        """
        if not self._failed:  # not locked: a sync holds the lock for as long as the disk takes
            return
        (busy, _, _) = conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        conn.rollback()  # what SQLAlchemy began
        if busy:
            raise Unavailable(DISK_FAILS, reason="SQLite's log failed, and is read by others")
        with self._lock:
            self._failed = False

    def open(self, path: str) -> None:
        """Open the log that the transaction under way will write to.

        Linux tells a failed write once to each descriptor that was open then. So each process has
        one from before its first commit, and keeps it. Raises Unavailable.
        """
        with self._lock, _unavailable(f"log {path} cannot be opened"):
            # SQLite removes the log whenever the last connection of all processes closes.
            if self._file != _CLOSED and not os.fstat(self._file).st_nlink:
                self._close()
            if self._file == _CLOSED:
                self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def sync(self) -> None:
        """Return once all commits so far are on the disk; raise Unavailable if the disk fails."""
        with self._lock:  # of two that sync one descriptor at once, only one is told
            if self._failed:
                raise Unavailable(DISK_FAILS, reason="an earlier sync of SQLite's log failed")
            try:
                with _unavailable("log cannot be synced"):
                    os.fdatasync(self._file)
            except BaseException:
                self._failed = True
                raise

    def close(self) -> None:
        """Close the log; the next transaction opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file != _CLOSED:
            os.close(self._file)
            self._file = _CLOSED


@contextlib.contextmanager
def _unavailable(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"SQLite's {what}: {error.strerror}"
        _log.warning("database unavailable: %s", reason, extra=RARELY)
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
