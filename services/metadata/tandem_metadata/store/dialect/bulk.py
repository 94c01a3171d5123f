"""Many rows of a table, written in one message to the database."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Boolean, Connection, Float, Integer, Table

from tandem_metadata.store.dialect.pg_arrays import is_postgresql, text_columns

UNLESS_THERE: Final = "ON CONFLICT DO NOTHING"
"""For `insert`: rows that are there already stay as they are."""

_TYPES: Final = (
    (BigInteger, "bigint"),
    (Integer, "int"),
    (Float, "float8"),
    (Boolean, "bool"),
    (JSON, "json"),
)


def insert(
    conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], conflict: str = ""
) -> int:
    """Insert rows in their order; returns how many were written. All have the same columns.

    `conflict` is an ON CONFLICT clause, in which `old` names the stored row.
    """
    if not rows:
        return 0
    columns = tuple(rows[0])
    return insert_rows(
        conn, table, columns, [tuple(row[name] for name in columns) for row in rows], conflict
    )


def insert_rows(
    conn: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    conflict: str = "",
) -> int:
    """As `insert`, for rows that have the columns in this order."""
    if not rows:
        return 0
    if is_postgresql(conn):
        # One statement for each row takes the server and the network several times as long.
        statement, given = _of_arrays(table, columns, conflict), _arrays(rows)
    else:
        statement, given = _of_values(table, columns, conflict), [*rows]
    return conn.exec_driver_sql(statement, given).rowcount


def insert_new(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> set[Any]:
    """Insert rows in their order, but for those that are there; returns their first values.

    On SQLite none may be there.
    """
    if not rows:
        return set()
    if not is_postgresql(conn):
        insert_rows(conn, table, columns, rows)
        return {row[0] for row in rows}
    returning = f"{UNLESS_THERE} RETURNING {columns[0]}"
    found = conn.exec_driver_sql(_of_arrays(table, columns, returning), _arrays(rows))
    return {first for (first,) in found}


def upsert(
    conn: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    key: tuple[str, ...],
) -> None:
    """Insert rows in their order, in place of those that have the same key."""
    if not is_postgresql(conn):
        # DO UPDATE takes SQLite twice as long in a table with foreign keys, though it may update
        # nothing: each row could change several, so it prepares to undo them. Most rows are new.
        new = insert_rows(conn, table, columns, rows, f"ON CONFLICT ({', '.join(key)}) DO NOTHING")
        if new == len(rows):
            return
    insert_rows(conn, table, columns, rows, _replacing(columns, key))


def update(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Set columns, of all rows whose first column has the row's first value."""
    if not rows:
        return
    if is_postgresql(conn):
        conn.exec_driver_sql(_update_by_arrays(table, columns), _arrays(rows))
        return
    given = [(*row[1:], row[0]) for row in rows]
    conn.exec_driver_sql(_update_by_values(table, columns), given)


def delete(
    conn: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Delete all rows that have the same values in the columns."""
    if not rows:
        return
    if is_postgresql(conn):
        conn.exec_driver_sql(_delete_by_arrays(table, columns), _arrays(rows))
        return
    conn.exec_driver_sql(_delete_by_values(table, columns), [*rows])


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


def _arrays(rows: Sequence[tuple[Any, ...]]) -> Any:
    return tuple([*column] for column in zip(*rows, strict=True))


@lru_cache
def _of_arrays(table: Table, columns: tuple[str, ...], conflict: str) -> str:
    return f"{_into(table, columns)} SELECT * FROM {_unnested(table, columns)} {conflict}"


@lru_cache
def _of_values(table: Table, columns: tuple[str, ...], conflict: str) -> str:
    marks = ", ".join("?" for _ in columns)
    return f"{_into(table, columns)} VALUES ({marks}) {conflict}"


@lru_cache
def _replacing(columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    values = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {values}"


@lru_cache
def _update_by_arrays(table: Table, columns: tuple[str, ...]) -> str:
    first, *others = columns
    values = ", ".join(f"{name} = given.{name}" for name in others)
    return (
        f"UPDATE {table.name} AS old SET {values} FROM {_unnested(table, columns)} "
        f"AS given ({', '.join(columns)}) WHERE old.{first} = given.{first}"
    )


@lru_cache
def _update_by_values(table: Table, columns: tuple[str, ...]) -> str:
    first, *others = columns
    values = ", ".join(f"{name} = ?" for name in others)
    return f"UPDATE {table.name} SET {values} WHERE {first} = ?"


@lru_cache
def _delete_by_arrays(table: Table, columns: tuple[str, ...]) -> str:
    same = " AND ".join(f"old.{name} = given.{name}" for name in columns)
    return (
        f"DELETE FROM {table.name} AS old USING {_unnested(table, columns)} "
        f"AS given ({', '.join(columns)}) WHERE {same}"
    )


@lru_cache
def _delete_by_values(table: Table, columns: tuple[str, ...]) -> str:
    same = " AND ".join(f"{name} = ?" for name in columns)
    return f"DELETE FROM {table.name} WHERE {same}"


def _unnested(table: Table, columns: tuple[str, ...]) -> str:
    # In binary: long texts take the driver and the server ten times as long as text.
    return f"unnest({', '.join(f'%b::{_type(table, name)}[]' for name in columns)})"


def _into(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} AS old ({', '.join(columns)})"


def _type(table: Table, name: str) -> str:
    """PostgreSQL's type for a column's values; a cast to VARCHAR(n) would cut them silently."""
    kind = table.c[name].type
    return next((known for of, known in _TYPES if isinstance(kind, of)), "text")
