"""Many rows of a table, added in one message to the database."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Float, Integer, Table

from tandem_metadata.store.dialect.pg_arrays import is_postgresql, text_columns

UNLESS_THERE: Final = "ON CONFLICT DO NOTHING"
"""For `insert`: rows that are there already stay as they are."""

_TYPES: Final = ((BigInteger, "bigint"), (Integer, "int"), (Float, "float8"), (Boolean, "bool"))


def insert(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], conflict: str = ""
) -> int:
    """Insert rows in their order; returns how many were written. All have the same columns.

    `conflict` is an ON CONFLICT clause, in which `old` names the stored row.
    """
    if not rows:
        return 0
    columns = tuple(rows[0])
    if is_postgresql(conn):
        # One statement for each row takes the server and the network several times as long.
        statement = _of_arrays(table, columns, conflict)
        given: Any = tuple([row[name] for row in rows] for name in columns)
    else:
        statement = _of_values(table, columns, conflict)
        given = [tuple(row[name] for name in columns) for row in rows]
    return conn.exec_driver_sql(statement, given).rowcount


def insert_texts(
    conn: Connection, into: str, rows: Sequence[tuple[str, str, str]], conflict: str
) -> int:
    """As `insert`, for three columns of texts, on the paths where the time for a row counts.

    `into` names the table and its columns.
    """
    if is_postgresql(conn):
        arrays = "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])"
        statement, given = f"INSERT INTO {into} {arrays} {conflict}", text_columns(rows)
        return conn.exec_driver_sql(statement, given).rowcount
    statement = f"INSERT INTO {into} VALUES (?, ?, ?) {conflict}"
    return conn.exec_driver_sql(statement, [*rows]).rowcount


@lru_cache
def _of_arrays(table: Table, columns: tuple[str, ...], conflict: str) -> str:
    arrays = ", ".join(f"%s::{_type(table, name)}[]" for name in columns)
    return f"{_into(table, columns)} SELECT * FROM unnest({arrays}) {conflict}"


@lru_cache
def _of_values(table: Table, columns: tuple[str, ...], conflict: str) -> str:
    marks = ", ".join("?" for _ in columns)
    return f"{_into(table, columns)} VALUES ({marks}) {conflict}"


def _into(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} AS old ({', '.join(columns)})"


def _type(table: Table, name: str) -> str:
    """PostgreSQL's type for a column's values; a cast to VARCHAR(n) would cut them silently."""
    kind = table.c[name].type
    return next((known for of, known in _TYPES if isinstance(kind, of)), "text")
