"""Runs statements on the drivers directly.

SQLAlchemy would take as much CPU time as the driver for each (465d89d), or more for one with many
columns.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import psycopg
from sqlalchemy import Connection, Dialect, Engine

from tandem_metadata.database.pool import PREPARED_AFTER, PREPARES


class Statements(Protocol):
    """What executes statements: a connection of SQLAlchemy's, or a `DirectConnection`."""

    @property
    def dialect(self) -> Dialect: ...

    def exec_driver_sql(self, statement: str, parameters: Any = ..., /) -> Iterable[Any]: ...


class StatementFailed(Exception):
    """PostgreSQL refused the statement and did nothing of it; the connection can be used again."""


class DirectConnection:
    """Executes statements that return rows, each a transaction of its own."""

    def __init__(self, connection: "psycopg.Connection[Any]", dialect: Dialect) -> None:
        self._connection = connection
        self.dialect = dialect

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Iterable[Any]:
        """All its rows; raises what the driver raises."""
        return self._connection.execute(statement, parameters).fetchall()


@contextlib.contextmanager
def checkout(engine: Engine) -> Iterator[DirectConnection]:
    """A connection of the engine's pool, which must be in autocommit mode.

    Raises StatementFailed. Raises psycopg's OperationalError when the database does not answer, or
    ceases to; the pool's connections are then replaced. Raises SQLAlchemy's TimeoutError when none
    is free.
    """
    pooled = engine.raw_connection()
    connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
    lost = False
    try:
        yield DirectConnection(connection, engine.dialect)
    except psycopg.Error as error:
        lost = connection.closed
        if not lost:
            raise StatementFailed from error
        pooled.invalidate(error)
        engine.dispose()
        if isinstance(error, psycopg.OperationalError):
            raise
        raise psycopg.OperationalError(str(error)) from error
    finally:
        if not lost:
            pooled.close()


Rows = Sequence[tuple[Any, ...]]

_BY_INDEX: Final = ("SELECT set_config('enable_seqscan', 'off', true)", None)
"""Until the end of the transaction, which a message without one is."""


def fetch_tuples(conn: Connection, statement: str, parameters: Any) -> Rows:
    """All rows of a statement that reads; PostgreSQL sends them in binary format.

    Raises what the driver raises. When the database ceases to answer, that is psycopg's
    OperationalError, and the pool's connections are replaced.
    """
    return fetch_each(conn, [(statement, parameters)])[0]


def fetch_each(
    conn: Connection, reads: Sequence[tuple[str, Any]], *, by_index: bool = False
) -> list[Rows]:
    """As `fetch_tuples`, for statements with their parameters, in their order.

    PostgreSQL gets all of them in one message, and each sees what was committed before it.
    `by_index` is for statements that find all rows by indexed keys: it plans them so however small
    the tables are, since it may keep the plans while these grow.
    """
    connection: Any = conn.connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        return [connection.execute(*read).fetchall() for read in reads]
    if PREPARES in conn.info:  # a statement that was `PLANNED` may have been the last
        connection.prepare_threshold = PREPARED_AFTER
    with _losing(conn, connection):
        if len(reads) == 1 and not by_index:
            return [connection.cursor(binary=True).execute(*reads[0]).fetchall()]
        given = [_BY_INDEX, *reads] if by_index else reads
        with connection.pipeline():
            cursors = [connection.cursor(binary=True).execute(*read) for read in given]
        return [cursor.fetchall() for cursor in cursors[-len(reads) :]]


@contextlib.contextmanager
def without_waiting(conn: Connection) -> Iterator[None]:
    """Within, PostgreSQL gets statements in one message; none may be asked what it has found.

    What fails raises at the end or at a later statement, SQLAlchemy's error or psycopg's.
    """
    connection: Any = conn.connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        yield
        return
    with _losing(conn, connection), connection.pipeline():
        yield


@contextlib.contextmanager
def _losing(conn: Connection, connection: "psycopg.Connection[Any]") -> Iterator[None]:
    """Have the pool's connections replaced if the database ceases to answer."""
    try:
        yield
    except psycopg.Error as error:
        if not connection.closed:
            raise
        conn.invalidate(error)
        conn.engine.dispose()
        if isinstance(error, psycopg.OperationalError):
            raise
        raise psycopg.OperationalError(str(error)) from error
