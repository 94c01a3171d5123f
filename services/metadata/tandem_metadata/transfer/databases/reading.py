"""Rows of a table as values that both databases have: integers, doubles, texts, bytes, NULL."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.database.pool import Dialect
from tandem_metadata.transfer.copying import quoted
from tandem_metadata.transfer.databases.catalog import Column, Kind, Shape

Row = tuple[Any, ...]

_BATCH: Final = 5_000


def expression(column: Column, dialect: Dialect, to: Dialect) -> str:
    """The column's value as SQL: booleans as 0 and 1, JSON and dates as text.

    SQLite stores no NaN and no negative zero; on the way there they become NULL and zero.
    """
    name = quoted(column.name)
    if dialect == "sqlite":
        if column.kind is Kind.DOUBLE:
            return f"CAST({name} AS REAL)"
        return f"CAST({name} AS TEXT)" if column.kind is Kind.JSON else name
    if column.kind is Kind.BOOLEAN:
        return f"{name}::int"
    if column.kind in (Kind.JSON, Kind.DATE):
        return f"{name}::text"
    if column.kind is Kind.DOUBLE and to == "sqlite":
        return f"NULLIF({name} + 0.0::float8, 'NaN'::float8)"
    return name


def rows(
    conn: Connection, shape: Shape, where: str = "", *, to: Dialect, table: str = ""
) -> Iterator[Row]:
    """All rows, or those of a condition, a batch at a time. `conn` is in a transaction.

    `to` is the database that they go to. `table` is one of another name with the same columns.
    """
    dialect: Dialect = "sqlite" if conn.dialect.name == "sqlite" else "postgresql"
    columns = ", ".join(expression(column, dialect, to) for column in shape.columns)
    statement = f"SELECT {columns} FROM {quoted(table or shape.name)}"
    if where:
        statement += f" WHERE {where}"
    yield from _fetch(conn.connection.driver_connection, statement)


def _fetch(connection: Any, statement: str) -> Iterator[Row]:
    if isinstance(connection, sqlite3.Connection):
        found = connection.execute(statement)
        found.arraysize = _BATCH
        try:
            while batch := found.fetchmany():
                yield from batch
        finally:
            found.close()
        return
    with connection.cursor(name="tandem_import", binary=True) as cursor:
        cursor.execute(statement)
        while batch := cursor.fetchmany(_BATCH):
            yield from batch
