"""The database's address, and the pool of connections to it."""

import contextlib
import os.path
import re
import socket
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import psycopg
from prometheus_client import Gauge
from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import PoolProxiedConnection

from tandem_shared.settings import SettingsError

Dialect = Literal["sqlite", "postgresql"]

_CONNECT_TIMEOUT = 10  # seconds
_CANCEL_TIMEOUT = 1.0
_IDLE_SECONDS = 1.0

_USER = re.compile(r"[^:/]*(:[^@]*)?@")
"""User and password before a host, as SQLAlchemy sees them."""

BINARY = "tandem_binary"
"""Execution option of a statement whose rows PostgreSQL is to send as they are, not as text."""

ISOLATION_LEVELS: Final[Mapping[Dialect, tuple[str | None, str | None]]] = {
    "sqlite": ("AUTOCOMMIT", None),
    "postgresql": (None, "READ COMMITTED"),
}
"""What connections of the pool are set to for single statements, and for transactions.

None leaves them as they are opened. Another level, and back, costs as much as the driver's part of
a small statement; PostgreSQL gets more of single ones.
"""

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


class DatabaseSettings(Protocol):
    """The settings that a database is opened with."""

    @property
    def backend_store_uri(self) -> str: ...
    @property
    def pool_size(self) -> int: ...
    @property
    def pool_timeout(self) -> float: ...
    @property
    def pool_recycle(self) -> int: ...
    @property
    def db_prepared_statements(self) -> bool: ...


def parse_url(text: str) -> URL:
    """The address in SQLAlchemy's form, with the driver that Tandem uses.

    Raises SettingsError, without repeating the address, if it is not a usable one.
    """
    try:
        text.encode()
        url = make_url(text)
        (url.host or "").encode("idna")
    except (exc.ArgumentError, ValueError):
        raise SettingsError(
            "--backend-store-uri is not a database URL; write sqlite:///path or "
            "postgresql://user:password@host/name, with special characters percent-encoded."
        ) from None
    name = url.drivername.partition("+")[0]
    if name in ("postgresql", "postgres"):
        _check_escapes(text, url)
        url = url.set(drivername="postgresql+psycopg")
        _check_parameters(url)
        return url
    if name != "sqlite":
        raise SettingsError(
            "--backend-store-uri must begin with sqlite:/// or postgresql://; "
            f"'{name}' is not supported."
        )
    return _sqlite_url(url.set(drivername="sqlite"))


def _check_escapes(text: str, url: URL) -> None:
    """A part of a password behind an `@` would be taken for the host, and be told as one."""
    given = text.partition("://")[2]
    authority = _USER.match(given)
    address, _, query = given[authority.end() if authority else 0 :].partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&")]
    if "@" in address or "@" in (query if url.password else "".join(names)):
        raise SettingsError(
            "--backend-store-uri has an '@' too many: percent-encode special characters of user, "
            "password and name, '@' as %40, '/' as %2F, ':' as %3A, '?' as %3F, '%' as %25."
        )


def _check_parameters(url: URL) -> None:
    """The driver would find these out only when it connects, which may be much later."""
    try:
        psycopg.conninfo.make_conninfo(**dict.fromkeys(url.query, ""))
        int(str(url.query.get("connect_timeout", 0)))
        _dialect(url).create_connect_args(url)
    except (psycopg.ProgrammingError, exc.ArgumentError, ValueError) as error:
        raise SettingsError(
            "--backend-store-uri has a parameter that PostgreSQL's library does not take: "
            f"{str(error).strip().rstrip('.')}."
        ) from None


def _dialect(url: URL) -> Any:
    """What makes the driver's arguments of an address, and refuses some."""
    return url.get_dialect()()


def _sqlite_url(url: URL) -> URL:
    if url.host:
        raise SettingsError(
            "--backend-store-uri: write sqlite:///relative/path or sqlite:////absolute/path."
        )
    path = url.database or ":memory:"
    if ":memory:" in path or url.query.get("mode") == "memory":
        raise SettingsError(
            "--backend-store-uri: an SQLite database in memory would be empty for every worker "
            "and at every start; write sqlite:///path."
        )
    if not path.startswith("file:") and not os.path.isdir(Path(path).parent):
        raise SettingsError(
            f"--backend-store-uri: the directory of the SQLite database, {Path(path).parent}, "
            "does not exist, or the service's user may not look into it; create it."
        )
    try:
        _dialect(url).create_connect_args(url)
    except (exc.ArgumentError, ValueError) as error:
        raise SettingsError(f"--backend-store-uri has a parameter that fails: {error}.") from None
    return url


WAL: Final = "tandem_wal"
"""What a connection's `info` calls the path of SQLite's write-ahead log; absent without one."""


def open_engine(
    url: URL, dialect: Dialect, settings: DatabaseSettings, size: int, *, point_lookup: bool = False
) -> Engine:
    """A pool of at most `size` connections, which connects to nothing yet.

    With `point_lookup` they are for statements that find rows by indexed keys and by nothing else.
    """
    options: dict[str, Any] = {}
    if dialect == "sqlite":
        options["connect_args"] = {"timeout": settings.pool_timeout, "check_same_thread": False}
    else:
        options["isolation_level"] = "AUTOCOMMIT"
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
        event.listen(engine, "checkout", _check_idle)
        event.listen(engine, "before_cursor_execute", _choose_format)
        # Without prepared statements, a connection of PgBouncer's serves others in between.
        if point_lookup and settings.db_prepared_statements:
            event.listen(engine, "connect", _prefer_indexes)
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


def set_busy_timeout(conn: Connection, seconds: float) -> None:
    """Have SQLite wait so long for a lock."""
    connection: Any = conn.connection.driver_connection
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}").close()


def _prefer_indexes(connection: psycopg.Connection[Any], _: object) -> None:
    """Have plans go by indexes, however small the tables are.

    PostgreSQL keeps the plans of prepared statements, and of a foreign key's check, as long as the
    connection and its statistics last. Made in a new database, they would read tables as a whole,
    and go on to while these grow: until it analyzes them, each new run costs more than the last.
    """
    # Scans that are left count as very costly, and would all be compiled.
    connection.execute(
        "SELECT set_config(name, 'off', false) FROM pg_settings "
        "WHERE name IN ('enable_seqscan', 'jit')"
    )
    connection.commit()


def _check_idle(
    connection: psycopg.Connection[Any], record: Any, __: PoolProxiedConnection
) -> None:
    """Have a connection replaced that the server has closed while nobody used it.

    Asking costs as much as a small query, so not when it was in use a moment ago.
    """
    used = record.info.get("tandem_used")  # None for a new one
    if used is None or time.monotonic() - used < _IDLE_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.OperationalError as error:
        raise exc.InvalidatePoolError from error


def _choose_format(
    _: Connection, cursor: psycopg.Cursor[Any], __: str, ___: object, context: Any, ____: bool
) -> None:
    if context is not None and context.execution_options.get(BINARY):
        cursor.format = psycopg.pq.Format.BINARY


def interrupt(connection: Any, cut: bool) -> None:
    """Have the database stop the statement that a driver's connection executes, if any.

    It fails in the thread that executes it. With `cut`, the connection to a server that does not
    listen is cut.
    """
    if isinstance(connection, sqlite3.Connection):
        connection.interrupt()
        return
    with contextlib.suppress(psycopg.Error, OSError):
        if cut:
            # The driver may wait on it in another thread; only the kernel can be told.
            with socket.socket(fileno=os.dup(connection.pgconn.socket)) as line:
                line.shutdown(socket.SHUT_RDWR)
        else:
            connection.cancel_safe(timeout=_CANCEL_TIMEOUT)


def replace(conn: Connection) -> None:
    """Close a connection of PostgreSQL's at its end, so that the pool opens another.

    An interruption may be on its way still, and would meet somebody else's statement.
    """
    if conn.dialect.name == "postgresql" and not (conn.closed or conn.invalidated):
        if conn.info.pop("tandem_in_use", False):
            IN_USE.dec()
        conn.detach()


def _count_checkout(_: object, record: Any, __: PoolProxiedConnection) -> None:
    record.info["tandem_in_use"] = True
    IN_USE.inc()


def _count_checkin(_: object, record: Any) -> None:
    record.info["tandem_used"] = time.monotonic()
    if record.info.pop("tandem_in_use", False):
        IN_USE.dec()
