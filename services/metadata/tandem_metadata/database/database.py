"""The database: its connections, and its transactions.

SQLite and PostgreSQL differ here and hardly anywhere else.
"""

import contextlib
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

import psycopg
from prometheus_client import Histogram
from sqlalchemy import Connection, Engine, event, exc

from tandem_metadata.database import checks, faults, read_cancellation, revisions, sqlite_writer
from tandem_metadata.database.address import BACKEND, parse_url
from tandem_metadata.database.checks import OpenedFile
from tandem_metadata.database.direct import DirectConnection, StatementFailed, checkout
from tandem_metadata.database.faults import FULL, READ_ONLY, sqlstate
from tandem_metadata.database.login.login import open_login
from tandem_metadata.database.pool import (
    BUCKETS,
    ISOLATION_LEVELS,
    POOL_SIZE,
    POOL_WAIT,
    SNAPSHOT_OPTIONS,
    WAITING_SINCE,
    WAL,
    DatabaseSettings,
    Dialect,
    connections_in_use,
    open_engine,
)
from tandem_metadata.database.sqlite_file import path_of
from tandem_metadata.database.sqlite_writer import WriteAheadLog, WriterLock
from tandem_shared.errors import Unavailable
from tandem_shared.observability.logs import RARELY

T = TypeVar("T")

_ATTEMPTS: Final = 5
_BACKOFF: Final = 0.01  # seconds, doubled at each attempt
_RETRIED: Final = ("40001", "40P01")  # serialization_failure, deadlock_detected

_FULL_SECONDS: Final = 30.0
"""How long PostgreSQL counts as full after a write that found it so.

Only writes find it out, and a service that is not ready gets none that could find room again.
"""

_ENDS: Final = "tandem_ends"

COMMIT = Histogram(
    "tandem_db_commit_duration_seconds",
    "Seconds that a commit took.",
    buckets=BUCKETS,
)
_log = logging.getLogger("tandem.db")


class _Ends:
    """What a transaction's end calls; kept in the connection's `info`."""

    __slots__ = ("committed", "rolled_back")

    def __init__(self) -> None:
        self.committed: dict[Callable[[], None], None] = {}
        self.rolled_back: list[Callable[[], None]] = []


class Database:
    """The pools of connections to the database of `backend_store_uri`.

    Opening it connects to nothing. Raises SettingsError when the address cannot be used, or not
    with `db_auth`. Its methods raise Unavailable when the database does not answer or lets nobody
    in, answers "locked" for `pool_timeout` seconds, or has no connection free for as long; no
    message holds the address.

    All methods block, and may be called by several threads at once. The engines lock their pools
    themselves. `_full_until` is set without a lock: a race costs one answer of `check`.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        flag: str = BACKEND,
        extra_connections: int = 0,
        point_lookups: int = 0,
        quiet: bool = False,
    ) -> None:
        """`extra_connections` come on top of the pool's size, for background work.

        So do `point_lookups`, which on PostgreSQL form a second pool; with 0, lookups use the main
        one. With `quiet`, the log never says why the database does not answer: whoever opened it
        does. Messages name `flag`, which gave the address.
        """
        self._quiet = quiet
        self.flag = flag
        self.url = parse_url(settings.backend_store_uri, flag)
        self.dialect: Dialect = "sqlite" if self.url.drivername == "sqlite" else "postgresql"
        self._login = open_login(settings.db_auth, self.url)
        self._timeout = settings.pool_timeout
        self._writer_lock = WriterLock(self._timeout) if self.dialect == "sqlite" else None
        self._log = WriteAheadLog()
        self._size = settings.pool_size + extra_connections + point_lookups
        apart = point_lookups if self.dialect == "postgresql" else 0
        login = self._login
        engine = open_engine(self.url, self.dialect, settings, self._size - apart, login)
        lookups = engine
        if apart:
            lookups = open_engine(self.url, self.dialect, settings, apart, login, point_lookup=True)
            # A server that closed connections of one pool has closed the other pool's too.
            event.listen(engine, "invalidate", lambda *_: lookups.dispose())
            event.listen(lookups, "invalidate", lambda *_: engine.dispose())
        self._file = OpenedFile(path_of(self.url)) if self.dialect == "sqlite" else None
        if self._file:
            self._file.watch(engine)
        self._engines = {False: engine, True: lookups}
        statements, transactions = ISOLATION_LEVELS[self.dialect]
        self._autocommit = _at_level(self._engines, statements)
        self._transacting = _at_level(self._engines, transactions)
        self._snapshots = engine.execution_options(**SNAPSHOT_OPTIONS[self.dialect])
        POOL_SIZE.inc(self._size)
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

    def login_environ(self) -> dict[str, str]:
        """What another program needs in its environment, besides the address, to connect.

        Raises Unavailable when the cloud gives no token.
        """
        if self._login is None:
            return {}
        with self._translated():
            return self._login.environ()

    def close(self) -> None:
        """Close the connections; the database opens new ones if it is used again."""
        POOL_SIZE.dec(self._size)
        self._size = 0
        for engine in self._engines.values():
            engine.dispose()
        self._log.close()

    def ping(self, *, quiet: bool = False) -> None:
        """Return once the database has answered; raise Unavailable if it does not."""
        with self.read(quiet=quiet) as conn:
            conn.exec_driver_sql("SELECT 1")

    def check(self) -> None:
        """Return once the database has answered, and takes writes as far as can be seen.

        Raises Unavailable, with a reason for the log, if not. Writes nothing to the database.
        """
        if self._file:
            with self.read(quiet=True) as conn:
                conn.exec_driver_sql("SELECT 1")
                self._file.check(conn.info, quiet=True)
            checks.check_file(self.url)
        else:
            self._check_writable()
        if self._full_until > time.monotonic():
            raise Unavailable(FULL, reason="a write found the database's disk full")

    def _check_writable(self) -> None:
        with self.read(quiet=True) as conn:
            if not checks.is_read_only(conn):
                return
        for engine in self._engines.values():
            engine.dispose()  # new connections may reach the new primary
        raise Unavailable(READ_ONLY, reason="PostgreSQL has transaction_read_only on")

    def check_access(self) -> None:
        """Raise Unavailable, with a reason, if the service's user cannot use SQLite's file.

        Connects to nothing. Checks nothing of PostgreSQL.
        """
        if self.dialect == "sqlite":
            checks.check_access(self.url)

    def use_wal(self) -> None:
        """Have SQLite let readers and the writer work at once; the file remembers it."""
        with self.read() as conn:
            sqlite_writer.use_wal(conn, self._timeout)

    @contextlib.contextmanager
    def read(self, *, quiet: bool = False, point_lookup: bool = False) -> Iterator[Connection]:
        """A connection whose statements are each their own transaction.

        With `quiet`, the log does not say why the database does not answer: the caller does.
        `point_lookup` is for statements that find all rows by indexed keys: their plans stay good
        while a new database grows.

        A read whose CancelToken is cancelled is interrupted, and raises the token's error. Raises
        ReadTimeout for a statement that the database stopped by itself.
        """
        token = read_cancellation.current_token()
        with (
            self._translated(quiet=quiet),
            self._connect(self._autocommit[point_lookup]) as conn,
            read_cancellation.cancellable(conn, token) if token else contextlib.nullcontext(),
        ):
            yield conn

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection in one transaction that reads: all its statements see one state.

        Others write meanwhile; but what they replace is kept until the end, and SQLite's log grows.
        Cancelled as `read` is.
        """
        token = read_cancellation.current_token()
        with (
            self._translated(),
            self._connect(self._snapshots) as conn,
            read_cancellation.cancellable(conn, token) if token else contextlib.nullcontext(),
            conn.begin() as transaction,
        ):
            if self.dialect == "sqlite":
                conn.exec_driver_sql("BEGIN")
            yield conn
            transaction.rollback()

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

        On PostgreSQL the statement is autocommitted, which takes three messages less.
        """
        if self.dialect == "sqlite":
            return self.run_in_transaction(function, point_lookup=point_lookup)
        try:
            with self._translated(), self._direct(point_lookup) as conn:
                return function(conn)
        except StatementFailed:  # repeated by SQLAlchemy, whose errors tell why
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
        """Turn errors that tell of the database's state into errors for the client."""
        try:
            yield
        except (exc.DBAPIError, sqlite3.Error, psycopg.Error) as error:
            answer = faults.api_error(error, self.url)
            if answer is None:
                raise
            if answer.message == FULL and self.dialect == "postgresql":
                self._full_until = time.monotonic() + _FULL_SECONDS
            if isinstance(answer, Unavailable) and not (quiet or self._quiet):
                _log.warning("database unavailable: %s", answer.reason, extra=RARELY)
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
                except (exc.DBAPIError, psycopg.Error) as error:
                    if sqlstate(error) not in _RETRIED:
                        raise
                time.sleep(_BACKOFF * 2**attempt * random.random())
            with opened(point_lookup) as conn:
                return function(conn)

    @contextlib.contextmanager
    def _transaction(self, point_lookup: bool = False) -> Iterator[Connection]:
        until = (WAITING_SINCE.get() or time.monotonic()) + self._timeout
        ends = _Ends()
        try:
            with contextlib.ExitStack() as held:
                if self._writer_lock:
                    held.enter_context(self._writer_lock.hold(until))
                conn = held.enter_context(self._connect(self._transacting[point_lookup]))
                info = conn.info
                if path := info.get(WAL):
                    self._log.recover(conn)
                transaction = held.enter_context(conn.begin())
                info[_ENDS] = ends
                held.callback(info.pop, _ENDS, None)
                if self._writer_lock:
                    self._writer_lock.begin(conn, until)
                if self._file:
                    self._file.check(info)
                if path:
                    self._log.open(path)
                yield conn
                ends.rolled_back.clear()  # a commit that fails may have been one
                with COMMIT.time():
                    transaction.commit()
                    if path:
                        held.close()  # others write while this waits for the disk
                        self._log.sync()
        except BaseException:
            for function in ends.rolled_back:
                function()
            raise
        for function in ends.committed:
            function()

    @contextlib.contextmanager
    def _connect(self, engine: Engine) -> Iterator[Connection]:
        try:
            with POOL_WAIT.time():
                conn = engine.connect()
        except exc.TimeoutError:
            raise connections_in_use() from None
        with conn:
            yield conn


def _at_level(engines: Mapping[bool, Engine], level: str | None) -> dict[bool, Engine]:
    if level is None:
        return dict(engines)
    return {name: each.execution_options(isolation_level=level) for name, each in engines.items()}


def on_commit(conn: Connection, function: Callable[[], None]) -> None:
    """Call `function` once the transaction of `conn`, from `write`, has been committed.

    It is called by the thread that committed, after the connection went back to the pool, and once
    however often it was given. It must not raise, and its caller waits for it. A rollback forgets
    it. Raises RuntimeError for a connection that is in no transaction of `write`.
    """
    _ends(conn).committed[function] = None


def on_rollback(conn: Connection, function: Callable[[], None]) -> None:
    """Call `function` once the transaction of `conn`, from `write`, has been rolled back.

    It is called as those of `on_commit` are. A commit that fails calls nothing: whether it took
    place is not known.
    """
    _ends(conn).rolled_back.append(function)


def _ends(conn: Connection) -> _Ends:
    if _ENDS not in conn.info:
        raise RuntimeError("on_commit and on_rollback need a connection of Database.write")
    ends: _Ends = conn.info[_ENDS]
    return ends
