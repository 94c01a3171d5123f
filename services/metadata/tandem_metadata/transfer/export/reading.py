"""Rows of long results, a batch at a time, and conditions that choose them on both databases."""

import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final

from sqlalchemy import Connection

from tandem_metadata.store.dialect.pg_arrays import is_postgresql

Rows = Sequence[tuple[Any, ...]]

Sink = IO[bytes] | io.RawIOBase
"""Where an export writes."""

_CURSOR: Final = "tandem_export"


def batches(
    conn: Connection, statement: str, parameters: Mapping[str, Any], size: int
) -> Iterator[Rows]:
    """The rows of a statement, at most `size` at a time; neither side holds more.

    `conn` is that of `Database.snapshot`. On PostgreSQL the server has a cursor, one at a time.
    Raises what the driver raises.
    """
    connection: Any = conn.connection.driver_connection
    if isinstance(connection, sqlite3.Connection):
        rows = connection.execute(statement, parameters)
        while batch := rows.fetchmany(size):
            yield batch
        return
    with connection.cursor(_CURSOR, binary=True) as cursor:
        cursor.execute(statement, parameters)
        while batch := cursor.fetchmany(size):
            yield batch


def any_of_texts(conn: Connection, parameter: str) -> str:
    """What follows a column that must hold one of the texts that a parameter gives."""
    if is_postgresql(conn):
        return f"= ANY(%({parameter})s::text[])"
    return f"IN (SELECT value FROM json_each(:{parameter}))"


def any_of_numbers(conn: Connection, parameter: str) -> str:
    """As `any_of_texts`, of integers."""
    if is_postgresql(conn):
        return f"= ANY(%({parameter})s::bigint[])"
    return f"IN (SELECT value FROM json_each(:{parameter}))"


def given(conn: Connection, values: Sequence[str] | Sequence[int]) -> Any:
    """The parameter of both."""
    return [*values] if is_postgresql(conn) else json.dumps([*values])
