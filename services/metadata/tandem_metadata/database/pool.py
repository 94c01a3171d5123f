"""The pools of connections: what they are opened with, and their metrics.

The hooks are called by the thread that connects, checks out or checks in, each with a connection
of its own.
"""

import sqlite3
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, Literal, Protocol

import psycopg
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import PoolProxiedConnection

from tandem_metadata.database.login.login import Login
from tandem_metadata.rules import regular_expressions
from tandem_shared.errors import Unavailable

Dialect = Literal["sqlite", "postgresql"]

_CONNECT_TIMEOUT = 10  # seconds
_IDLE_SECONDS = 1.0

PLANNED = "tandem_planned"
"""Execution option of a statement that PostgreSQL plans for its values, each time.

Of others it may keep a plan for all values.
"""

PREPARES: Final = "tandem_prepares"
"""Key of a connection's `info`: whether PostgreSQL may prepare its statements; else absent."""

PREPARED_AFTER: Final = 5
"""Executions of a statement after which psycopg prepares it; psycopg's default."""

ISOLATION_LEVELS: Final[Mapping[Dialect, tuple[str | None, str | None]]] = {
    "sqlite": (None, None),
    "postgresql": (None, "READ COMMITTED"),
}
"""Isolation levels for autocommitted statements and for transactions; None: the pool's default.

Changing the level and back costs as much as a small statement does in the driver. The default is
AUTOCOMMIT, the commoner case. SQLite's transactions need no other: they begin by a statement, see
`WriterLock.begin`.
"""

SNAPSHOT_OPTIONS: Final[Mapping[Dialect, Mapping[str, Any]]] = {
    "sqlite": {},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""Execution options of a transaction whose statements all see one state of the database.

SQLite's begins by a statement, as all its transactions do.
"""

BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

POOL_SIZE = Gauge(
    "tandem_db_pool_size",
    "Database connections that the pools may hold.",
    multiprocess_mode="livesum",
)
IN_USE = Gauge(
    "tandem_db_pool_connections_in_use",
    "Database connections in use now.",
    multiprocess_mode="livesum",
)


POOL_WAIT = Histogram(
    "tandem_db_pool_wait_seconds",
    "Seconds until a connection came from the pool.",
    buckets=BUCKETS,
)
POOL_TIMEOUTS = Counter(
    "tandem_db_pool_timeouts", "Requests that got no connection from the pool in time."
)

WAITING_SINCE: ContextVar[float | None] = ContextVar("waiting_since", default=None)
"""When the call that this thread works for began to wait, by `time.monotonic`; None if it did not.

A call may wait for a thread, a lock and SQLite's file in turn. All in all it waits no longer than
`pool_timeout`.
"""


def connections_in_use() -> Unavailable:
    """The error for a request that got no connection in time; counts it."""
    POOL_TIMEOUTS.inc()
    return Unavailable("All database connections are in use; try again later.")


class DatabaseSettings(Protocol):
    """The settings that a database is opened with."""

    @property
    def backend_store_uri(self) -> str: ...
    @property
    def db_auth(self) -> str: ...
    @property
    def pool_size(self) -> int: ...
    @property
    def pool_timeout(self) -> float: ...
    @property
    def pool_recycle(self) -> int: ...
    @property
    def db_prepared_statements(self) -> bool: ...


WAL: Final = "tandem_wal"
"""Key of a connection's `info`: the path of SQLite's write-ahead log; absent without one."""


def open_engine(
    url: URL,
    dialect: Dialect,
    settings: DatabaseSettings,
    size: int,
    login: Login | None,
    *,
    point_lookup: bool = False,
) -> Engine:
    """A pool of at most `size` connections, which connects to nothing yet.

    `login` is None where the address has the password. With `point_lookup`, for statements that
    find all their rows by indexed keys.
    """
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
    if dialect == "sqlite":
        options["connect_args"] = {"timeout": settings.pool_timeout, "check_same_thread": False}
    else:
        options["skip_autocommit_rollback"] = True
        options["connect_args"] = {
            name: value
            for name, value in (
                ("application_name", "tandem-metadata"),
                ("connect_timeout", _CONNECT_TIMEOUT),
            )
            if name not in url.query
        }
        if not settings.db_prepared_statements:
            options["connect_args"]["prepare_threshold"] = None
    engine = create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout,
        pool_recycle=settings.pool_recycle,
        hide_parameters=True,
        **options,
    )
    if dialect == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    else:
        if login:
            login.attach(engine)
        event.listen(engine, "checkout", _check_idle)
        # Not without prepared statements: PgBouncer may lend the connection to others.
        if point_lookup and settings.db_prepared_statements:
            event.listen(engine, "connect", _prefer_indexes)
        if settings.db_prepared_statements:
            event.listen(engine, "connect", _note_preparing)
            event.listen(engine, "before_cursor_execute", _choose_plan)
    event.listen(engine, "checkout", _count_checkout)
    event.listen(engine, "checkin", _count_checkin)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # With FULL, a commit waits for the disk while it keeps others from writing. With NORMAL,
    # `Database` syncs the write-ahead log itself after the commit, while others write.
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    level = "FULL"
    if mode == "wal":
        record.info[WAL] = connection.execute("PRAGMA database_list").fetchone()[2] + "-wal"
        level = "NORMAL"
    connection.execute(f"PRAGMA synchronous = {level}")
    # LIKE then tells upper from lower case, as on PostgreSQL; searches rely on it.
    connection.execute("PRAGMA case_sensitive_like = ON")
    connection.create_function("tandem_rlike", 2, _rlike, deterministic=True)


def _rlike(expression: str, text: str | None) -> bool | None:
    """Whether a regular expression, which is known to be one, matches part of a text."""
    return None if text is None else regular_expressions.parse(expression).search(text)


def _prefer_indexes(connection: psycopg.Connection[Any], _: object) -> None:
    """Make plans use indexes, however small the tables are.

    PostgreSQL keeps the plans of prepared statements and of foreign keys' checks until it analyzes
    the table. Plans made in a new database use sequential scans, so each new run would cost more
    than the last (7a537ef).
    """
    # Sequential scans that remain count as very costly, so JIT would compile each.
    connection.execute(
        "SELECT set_config(name, 'off', false) FROM pg_settings "
        "WHERE name IN ('enable_seqscan', 'jit')"
    )
    connection.commit()


def _check_idle(
    connection: psycopg.Connection[Any], record: Any, __: PoolProxiedConnection
) -> None:
    """Have a connection replaced that the server closed while it was idle.

    The check costs as much as a small query, so a connection used within a second is not checked.
    """
    used = record.info.get("tandem_used")  # None for a new one
    if used is None or time.monotonic() - used < _IDLE_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.OperationalError as error:
        raise exc.InvalidatePoolError from error


def _note_preparing(_: object, record: Any) -> None:
    record.info[PREPARES] = True


def _choose_plan(
    _: Connection, cursor: psycopg.Cursor[Any], __: str, ___: object, context: Any, ____: bool
) -> None:
    planned = context is not None and context.execution_options.get(PLANNED)
    cursor.connection.prepare_threshold = None if planned else PREPARED_AFTER


def forget(conn: Connection) -> None:
    """Count a connection as no longer in use, for one that leaves the pool."""
    if conn.info.pop("tandem_in_use", False):
        IN_USE.dec()


def _count_checkout(_: object, record: Any, __: PoolProxiedConnection) -> None:
    record.info["tandem_in_use"] = True
    IN_USE.inc()


def _count_checkin(_: object, record: Any) -> None:
    record.info["tandem_used"] = time.monotonic()
    if record.info.pop("tandem_in_use", False):
        IN_USE.dec()
