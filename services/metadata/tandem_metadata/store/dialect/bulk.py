"""Many rows of a table, added in one message to the database."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Float, Integer, Table

from tandem_metadata.store.dialect.pg_arrays import is_postgresql

UNLESS_THERE: Final = "ON CONFLICT DO NOTHING"
"""For `insert`: what is there already stays as it is."""

_TYPES: Final = ((BigInteger, "bigint"), (Integer, "int"), (Float, "float8"), (Boolean, "bool"))


def insert(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], conflict: str = ""
) -> int:
    """Insert rows, all of the same columns, in their order; returns how many were written.

    `conflict` is the clause of that name in SQL, which both databases understand.
    """
    if not rows:
        return 0
    columns = tuple(rows[0])
    if is_postgresql(conn):
        # A statement a row takes the server, and the way there, several times as long.
        statement = _of_arrays(table, columns, conflict)
        given: Any = tuple([row[name] for row in rows] for name in columns)
    else:
        statement = _of_values(table, columns, conflict)
        given = [tuple(row[name] for name in columns) for row in rows]
    return conn.exec_driver_sql(statement, given).rowcount


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
