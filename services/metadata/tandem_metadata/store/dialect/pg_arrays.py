"""Rows for raw statements of each database, where what a row costs counts."""

from collections.abc import Sequence
from typing import Final

from tandem_metadata.database.direct import Statements

UNNESTED_TEXTS: Final = "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])"


def is_postgresql(conn: Statements) -> bool:
    """Whether the connection leads to PostgreSQL, not to SQLite."""
    return conn.dialect.name == "postgresql"


def texts(values: Sequence[str]) -> str:
    """Texts as an array in PostgreSQL's notation, which the driver takes longer to write."""
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in values)
    return f'{{"{joined}"}}'


def text_columns(rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The columns of rows of texts, as arrays."""
    return tuple(texts(column) for column in zip(*rows, strict=True))
