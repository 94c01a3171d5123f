"""Rows by any number of texts, in statements that are written out."""

import json
from collections.abc import Collection
from typing import Any

from tandem_metadata.database.direct import Statements
from tandem_metadata.store.dialect import pg_arrays
from tandem_metadata.store.dialect.pg_arrays import is_postgresql


def rows_of(conn: Statements, table: str, column: str) -> str:
    """The FROM of a statement for the rows whose column holds one of the texts of `given_texts`.

    More conditions may follow with AND. On PostgreSQL it is a join: the planner is not told the
    number of texts, so that one plan is reused for all, and a small table is not scanned with each
    row compared with every text.
    """
    if is_postgresql(conn):
        return f"FROM unnest(%(texts)s::text[]) AS given (text) JOIN {table} ON {column} = text"
    return f"FROM {table} WHERE {column} IN (SELECT value FROM json_each(:texts))"


def any_of_texts(conn: Statements) -> str:
    """What follows a column that must hold one of the texts; for few, or few rows of a large table.

    As `rows_of`, but a key of several columns is looked up by all of them.
    """
    if is_postgresql(conn):
        return "= ANY(ARRAY(SELECT unnest(%(texts)s::text[])))"
    return "IN (SELECT value FROM json_each(:texts))"


def given_texts(conn: Statements, texts: Collection[str]) -> dict[str, Any]:
    """The parameter of both, each text once."""
    chosen = [*dict.fromkeys(texts)]
    return {"texts": pg_arrays.texts(chosen) if is_postgresql(conn) else json.dumps(chosen)}
