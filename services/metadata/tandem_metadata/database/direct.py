"""Runs statements on the drivers directly.

SQLAlchemy would take as much CPU time as the driver for each (465d89d), or more for one with many
columns.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

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


def fetch_tuples(
    conn: Connection, statement: str, parameters: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]]:
    """All rows of a statement that reads; PostgreSQL sends them in binary format.

    Raises what the driver raises. When the database ceases to answer, that is psycopg's
    OperationalError, and the pool's connections are replaced.
    """
    connection: Any = conn.connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(statement, parameters).fetchall()
    if PREPARES in conn.info:  # a statement that was `PLANNED` may have been the last
        connection.prepare_threshold = PREPARED_AFTER
    try:
        rows: Sequence[tuple[Any, ...]]
        rows = connection.cursor(binary=True).execute(statement, parameters).fetchall()
    except psycopg.Error as error:
        if not connection.closed:
            raise
        conn.invalidate(error)
        conn.engine.dispose()
        if isinstance(error, psycopg.OperationalError):
            raise
        raise psycopg.OperationalError(str(error)) from error
    return rows
