"""The database: its address, its connections and its transactions.

SQLite and PostgreSQL differ here and hardly anywhere else.
"""

import contextlib
import errno
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

import psycopg
from prometheus_client import Counter, Histogram
from sqlalchemy import Connection, Engine, event, exc

from tandem_metadata.database import faults, revisions, sqlite_file, stops
from tandem_metadata.database.direct import DirectConnection, StatementFailed, checkout
from tandem_metadata.database.faults import (
    DISK_FAILS,
    FULL,
    READ_ONLY,
    is_busy,
    is_interrupted,
    sqlstate,
)
from tandem_metadata.database.pool import (
    ISOLATION_LEVELS,
    POOL_SIZE,
    WAL,
    DatabaseSettings,
    Dialect,
    interrupt,
    open_engine,
    parse_url,
    replace,
    set_busy_timeout,
)
from tandem_metadata.database.stops import Stop, TooSlow
from tandem_shared.errors import Unavailable

T = TypeVar("T")

_ATTEMPTS = 5
_BACKOFF = 0.01  # seconds, doubled at each attempt
_SERIALIZATION_FAILURE = "40001"
_DEADLOCK_DETECTED = "40P01"
_FULL_SECONDS = 30.0
"""How long PostgreSQL counts as full after a write that found it so.

Only writes tell, and a service that is not ready gets none that could say that it is over.
"""
_ANNOUNCED = "tandem_announced"
_MOST = 0.9
"""The part of its time-out that a write has left when it has not waited yet."""
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

POOL_WAIT = Histogram(
    "tandem_db_pool_wait_seconds",
    "Seconds until a connection came from the pool.",
    buckets=_BUCKETS,
)
POOL_TIMEOUTS = Counter(
    "tandem_db_pool_timeouts", "Requests that got no connection from the pool in time."
)
COMMIT = Histogram(
    "tandem_db_commit_duration_seconds",
    "Seconds that a commit took.",
    buckets=_BUCKETS,
)
_log = logging.getLogger("tandem.db")

WAITING_SINCE: ContextVar[float | None] = ContextVar("since", default=None)
"""When what this thread works for began to wait, by `time.monotonic`; None if it did not.

It waits for several things in turn, and all in all no longer than for one.
"""


class Database:
    """A pool of connections to the database of `backend_store_uri`.

    Opening it connects to nothing. Raises SettingsError when the address cannot be used. Its
    methods raise Unavailable when the database does not answer, answers "locked" for
    `pool_timeout` seconds, or has no connection free for as long; no message holds the address.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        extra_connections: int = 0,
        point_lookups: int = 0,
        quiet: bool = False,
    ) -> None:
        """`extra_connections` come on top of the pool's size, for background work.

        So do `point_lookups`, which on PostgreSQL form a second pool; with 0, lookups use the main
        one. With `quiet`, the log never says why the database does not answer: whoever opened it
        does.
        """
        self._quiet = quiet
        self.url = parse_url(settings.backend_store_uri)
        self.dialect: Dialect = "sqlite" if self.url.drivername == "sqlite" else "postgresql"
        self._timeout = settings.pool_timeout
        # SQLite has one writer at a time and lets the others poll. Writers of this process queue
        # here instead, before they take a connection that a reader could use.
        self._writer_lock = threading.Lock() if self.dialect == "sqlite" else None
        self._size = settings.pool_size + extra_connections + point_lookups
        apart = point_lookups if self.dialect == "postgresql" else 0
        engine = open_engine(self.url, self.dialect, settings, self._size - apart)
        lookups = engine
        if apart:
            lookups = open_engine(self.url, self.dialect, settings, apart, point_lookup=True)
            # A database that closed connections of one pool has closed those of the other.
            event.listen(engine, "invalidate", lambda *_: lookups.dispose())
            event.listen(lookups, "invalidate", lambda *_: engine.dispose())
        self._engines = {False: engine, True: lookups}
        statements, transactions = ISOLATION_LEVELS[self.dialect]
        self._autocommit = _at_level(self._engines, statements)
        self._transacting = _at_level(self._engines, transactions)
        POOL_SIZE.inc(self._size)
        self._listeners: dict[str, Callable[[], None]] = {}
        self._full_until = 0.0

    def prepare(self, artifact_root: str) -> None:
        """Make the tables of an empty database, or check that Tandem can use those it finds.

        Adds experiment 0, `Default`, where it is missing, as MLflow's server does. Safe in several
        processes at once. Raises SettingsError, saying what to do, for a database of a revision
        that is not supported.
        """
        self.check_access()
        if self.dialect == "sqlite":
            self.use_wal()
        with self.read() as conn:
            if revisions.is_ready(conn):
                return
        with self.write() as conn:
            revisions.prepare(conn, artifact_root)

    def revision(self) -> str | None:
        """The revision in `alembic_version`; None without one."""
        with self.read() as conn:
            return revisions.current(conn)

    def close(self) -> None:
        """Close the connections; the database opens new ones if it is used again."""
        POOL_SIZE.dec(self._size)
        self._size = 0
        for engine in self._engines.values():
            engine.dispose()

    def ping(self, *, quiet: bool = False) -> None:
        """Return once the database has answered; raise Unavailable if it does not."""
        with self.read(quiet=quiet) as conn:
            conn.exec_driver_sql("SELECT 1")

    def check(self) -> None:
        """Return once the database has answered, and takes writes as far as can be seen.

        Raises Unavailable, with a reason for the log, if not. Writes nothing to the database.
        """
        if self.dialect == "sqlite":
            self.ping(quiet=True)
            self._check_file()
        else:
            self._check_writable()
        if self._full_until > time.monotonic():
            raise Unavailable(FULL, reason="a write found the database's disk full")

    def _check_writable(self) -> None:
        with self.read(quiet=True) as conn:
            setting = "SELECT current_setting('transaction_read_only')"
            if conn.exec_driver_sql(setting).scalar() != "on":
                return
        for engine in self._engines.values():
            engine.dispose()  # new connections may lead to what has become the primary
        raise Unavailable(READ_ONLY, reason="PostgreSQL has transaction_read_only on")

    def check_access(self) -> None:
        """Raise Unavailable, with a reason, if SQLite's file is seen to be closed to the service.

        Connects to nothing, so it is nothing to PostgreSQL.
        """
        if self.dialect == "sqlite" and (
            trouble := sqlite_file.trouble(sqlite_file.path_of(self.url))
        ):
            raise Unavailable(READ_ONLY, reason=trouble)

    def _check_file(self) -> None:
        self.check_access()
        path = sqlite_file.path_of(self.url)
        if self.url.query.get("mode") == "ro" or "immutable" in self.url.query:
            raise Unavailable(READ_ONLY, reason="the address opens the file read-only")
        try:
            sqlite_file.take_room(path.parent)
        except OSError as error:
            if error.errno in sqlite_file.FULL:
                sentence = FULL
            elif error.errno == errno.EROFS:
                sentence = READ_ONLY
            else:  # such as a folder that is closed, in which SQLite has what it needs
                return
            reason = f"the folder {path.parent} takes no more: {error.strerror}"
            raise Unavailable(sentence, reason=reason) from error

    @contextlib.contextmanager
    def read(self, *, quiet: bool = False, point_lookup: bool = False) -> Iterator[Connection]:
        """A connection whose statements are each their own transaction.

        With `quiet`, the log does not say why the database does not answer: the caller does.
        `point_lookup` is for statements that find all rows by indexed keys: their plans stay good
        while a new database grows.

        A call of `Threads` that is to stop is interrupted here: then this raises what the call is
        to raise. Raises TooSlow for a statement that the database stopped by itself.
        """
        stop = stops.current()
        with (
            self._translated(quiet=quiet),
            self._connect(self._autocommit[point_lookup]) as conn,
            _stopped(conn, stop) if stop else contextlib.nullcontext(),
        ):
            yield conn

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in one transaction: committed at the end, rolled back on an exception.

        On PostgreSQL the transaction is READ COMMITTED; on SQLite it is the only writer from its
        start. Not reentrant.
        """
        with self._translated(), self._transaction() as conn:
            yield conn

    def run_in_transaction(
        self, function: Callable[[Connection], T], *, point_lookup: bool = False
    ) -> T:
        """Run `function` in one transaction as `write` does, and again when it deadlocked.

        `function` may run several times and must have no effect but on its connection.
        `point_lookup` is that of `read`.
        """
        return self._retried(self._transaction, function, point_lookup)

    def execute_autocommit(
        self, function: Callable[[Connection | DirectConnection], T], *, point_lookup: bool = False
    ) -> T:
        """Run `function`, which executes one statement that returns rows, in one transaction.

        On PostgreSQL that is a transaction by itself, and three messages less.
        """
        if self.dialect == "sqlite":
            return self.run_in_transaction(function, point_lookup=point_lookup)
        try:
            with self._translated(), self._direct(point_lookup) as conn:
                return function(conn)
        except StatementFailed:  # SQLAlchemy tells why, and what is worth another attempt
            return self._retried(self._statement, function, point_lookup)

    @contextlib.contextmanager
    def _direct(self, point_lookup: bool) -> Iterator[DirectConnection]:
        began = time.perf_counter()
        try:
            with checkout(self._autocommit[point_lookup]) as conn:
                POOL_WAIT.observe(time.perf_counter() - began)
                with COMMIT.time():
                    yield conn
        except exc.TimeoutError:
            raise connections_in_use() from None

    @contextlib.contextmanager
    def _statement(self, point_lookup: bool) -> Iterator[Connection]:
        with self._connect(self._autocommit[point_lookup]) as conn, COMMIT.time():
            yield conn

    @contextlib.contextmanager
    def _translated(self, *, quiet: bool = False) -> Iterator[None]:
        """Turn what the driver says about the database's state into an answer for the client."""
        try:
            yield
        except exc.DBAPIError as error:
            answer = faults.answer(error, self.url)
            if answer is None:
                raise
            if answer.message == FULL and self.dialect == "postgresql":
                self._full_until = time.monotonic() + _FULL_SECONDS
            if isinstance(answer, Unavailable) and not (quiet or self._quiet):
                _log.warning("database unavailable: %s", answer.reason)
            raise answer from error

    def _retried(
        self,
        opened: Callable[[bool], contextlib.AbstractContextManager[Connection]],
        function: Callable[[Connection], T],
        point_lookup: bool,
    ) -> T:
        with self._translated():
            for attempt in range(1, _ATTEMPTS):
                try:
                    with opened(point_lookup) as conn:
                        return function(conn)
                except exc.DBAPIError as error:
                    if sqlstate(error) not in (_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED):
                        raise
                time.sleep(_BACKOFF * 2**attempt * random.random())
            with opened(point_lookup) as conn:
                return function(conn)

    def listen(self, subject: str, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit of a transaction that announced `subject`.

        It is called in the thread that commits, must not block and must not raise.
        """
        self._listeners[subject] = listener

    @contextlib.contextmanager
    def _transaction(self, point_lookup: bool = False) -> Iterator[Connection]:
        with self._committed(point_lookup) as conn:
            yield conn
            announced = conn.info.pop(_ANNOUNCED, ())
        for subject in announced:
            if listener := self._listeners.get(subject):
                listener()

    @contextlib.contextmanager
    def _committed(self, point_lookup: bool) -> Iterator[Connection]:
        engine = self._transacting[point_lookup]
        until = (WAITING_SINCE.get() or time.monotonic()) + self._timeout
        with contextlib.ExitStack() as held:
            held.enter_context(self._hold_writer_lock(until))
            conn = held.enter_context(self._connect(engine))
            transaction = held.enter_context(conn.begin())
            conn.info.pop(_ANNOUNCED, None)  # of a transaction that was rolled back
            if self.dialect == "sqlite":
                self._begin_alone(conn, until)
            yield conn
            with COMMIT.time():
                transaction.commit()
                if log := conn.info.get(WAL):
                    held.close()  # others write while this waits for the disk
                    _sync(log)

    def _begin_alone(self, conn: Connection, until: float) -> None:
        """Begin SQLite's only writing transaction, as soon as other processes let it."""
        left = max(0.0, until - time.monotonic())
        waited = left < _MOST * self._timeout
        if waited:
            set_busy_timeout(conn, left)
        try:
            # The driver begins nothing by itself before the first change, and then a deferred
            # transaction, which cannot wait for a lock once it has read.
            conn.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            if waited:
                set_busy_timeout(conn, self._timeout)

    @contextlib.contextmanager
    def _hold_writer_lock(self, until: float) -> Iterator[None]:
        if self._writer_lock is None:
            yield
            return
        if not self._writer_lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Unavailable("The database is busy with other writes; try again later.")
        try:
            yield
        finally:
            self._writer_lock.release()

    @contextlib.contextmanager
    def _connect(self, engine: Engine) -> Iterator[Connection]:
        try:
            with POOL_WAIT.time():
                conn = engine.connect()
        except exc.TimeoutError:
            raise connections_in_use() from None
        with conn:
            yield conn

    def use_wal(self) -> None:
        """Let readers and the writer work at once; the file remembers it.

        SQLite does not wait for locks here, and another process may be doing the same.
        """
        with self.read() as conn:
            deadline = time.monotonic() + self._timeout
            while True:
                try:
                    conn.exec_driver_sql("PRAGMA journal_mode = WAL").scalar()
                except exc.OperationalError as error:
                    if not is_busy(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(_BACKOFF)
                else:
                    if WAL not in conn.info:
                        conn.invalidate()  # opened without a log, it would sync too much
                    return


def _sync(log: str) -> None:
    try:
        sqlite_file.sync(log)
    except OSError as error:
        reason = f"SQLite's log cannot be synced: {error.strerror}"
        _log.warning("database unavailable: %s", reason)
        raise Unavailable(DISK_FAILS, reason=reason) from error


def _at_level(engines: Mapping[bool, Engine], level: str | None) -> dict[bool, Engine]:
    if level is None:
        return dict(engines)
    return {name: each.execution_options(isolation_level=level) for name, each in engines.items()}


def announce(conn: Connection, subject: str) -> None:
    """Have the database's listener of `subject` called once the transaction is committed."""
    conn.info.setdefault(_ANNOUNCED, set()).add(subject)


def connections_in_use() -> Unavailable:
    """The error for a request that got no connection in time; counts it."""
    POOL_TIMEOUTS.inc()
    return Unavailable("All database connections are in use; try again later.")


@contextlib.contextmanager
def _stopped(conn: Connection, stop: Stop) -> Iterator[None]:
    """Within, `stop` interrupts what the connection reads."""
    stop.begin(partial(interrupt, conn.connection.driver_connection))
    try:
        yield
    except (exc.DBAPIError, sqlite3.Error, psycopg.Error) as error:
        if not is_interrupted(error):
            raise
        raise stop.error or TooSlow() from error
    finally:
        stop.end()
        if stop.error:
            replace(conn)
