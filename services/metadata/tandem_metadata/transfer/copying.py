"""Many rows into a table, in the least time: COPY on PostgreSQL, one prepared INSERT on SQLite."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection


def copy_rows(
    conn: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Insert the rows, which are taken one by one, and return how many they were.

    `conn` is in a transaction, and `rows` must not use it. Values are those that SQLite has for
    the column: 0 and 1 do for booleans, a text for JSON, bytes for BLOB and BYTEA. A row that the
    table refuses raises the driver's error, and then nothing of the call is left on PostgreSQL,
    where the transaction has failed. On SQLite the caller rolls back.
    """
    connection: Any = conn.connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        return _insert(connection, table, columns, rows)
    try:
        return _copy(connection, table, columns, rows)
    except psycopg.Error as error:
        if connection.closed:
            conn.invalidate(error)
        raise


def _insert(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    names = ", ".join(quoted(name) for name in columns)
    marks = ", ".join("?" for _ in columns)
    statement = f"INSERT INTO {quoted(table)} ({names}) VALUES ({marks})"
    return connection.executemany(statement, rows).rowcount


def _copy(
    connection: "psycopg.Connection[Any]",
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
        return cursor.rowcount


def quoted(name: str) -> str:
    """A name of a table or a column as SQL has it, whatever its characters."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
