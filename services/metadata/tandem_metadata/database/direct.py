"""Single statements on PostgreSQL without SQLAlchemy, whose part in one is twice the driver's."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import psycopg
from sqlalchemy import Connection, Dialect, Engine, exc


class Statements(Protocol):
    """What executes statements: a connection of SQLAlchemy's, or a `Single`."""

    @property
    def dialect(self) -> Dialect: ...

    def exec_driver_sql(self, statement: str, parameters: Any = ..., /) -> Iterable[Any]: ...


class Refused(Exception):
    """PostgreSQL refused the statement, and nothing of it was done; the connection is in order."""


class Single:
    """Executes statements that return rows, each a transaction of its own."""

    def __init__(self, connection: "psycopg.Connection[Any]", dialect: Dialect) -> None:
        self._connection = connection
        self.dialect = dialect

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Iterable[Any]:
        """All its rows; raises what the driver raises."""
        return self._connection.execute(statement, parameters).fetchall()


@contextlib.contextmanager
def borrowed(engine: Engine) -> Iterator[Single]:
    """A connection of the engine's pool, whose connections commit each statement by themselves.

    Raises Refused; a DBAPIError when the database does not answer, or ceases to, and then the
    pool's connections are replaced; and what the pool raises when it has none.
    """
    try:
        pooled = engine.raw_connection()
    except psycopg.Error as error:
        raise _told(engine, error) from error
    connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
    lost = False
    try:
        yield Single(connection, engine.dialect)
    except psycopg.Error as error:
        lost = connection.closed
        if not lost:
            raise Refused from error
        pooled.invalidate(error)
        engine.dispose()
        raise _told(engine, error, lost=True) from error
    finally:
        if not lost:
            pooled.close()


def fetch_tuples(
    conn: Connection, statement: str, parameters: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]]:
    """All rows as the driver makes them, without SQLAlchemy's Row around each.

    Of thousands of rows that are few columns wide, Rows take SQLite a third more time.
    `CursorResult.cursor` is not documented; this is the one place that uses it.
    """
    rows: Sequence[tuple[Any, ...]] = conn.exec_driver_sql(statement, parameters).cursor.fetchall()
    return rows


def _told(engine: Engine, error: psycopg.Error, *, lost: bool = False) -> BaseException:
    """As SQLAlchemy tells of an error."""
    return exc.DBAPIError.instance(
        None,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=engine.dialect,
    )
