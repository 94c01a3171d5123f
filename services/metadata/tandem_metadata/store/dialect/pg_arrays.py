"""Arrays in PostgreSQL's notation, for statements on which many rows pass."""

from collections.abc import Sequence
from typing import Final

from tandem_metadata.database.direct import Statements

ANY_OF_TEXTS: Final = "= ANY(ARRAY(SELECT unnest(%s::text[])))"
"""Hides the number of ids from the planner, so that one generic plan is reused.

Planning takes longer than running the statement.
"""


def is_postgresql(conn: Statements) -> bool:
    """Whether the connection leads to PostgreSQL, not to SQLite."""
    return conn.dialect.name == "postgresql"


def texts(values: Sequence[str]) -> str:
    """An array of texts; the driver takes longer to format one."""
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in values)
    return f'{{"{joined}"}}'


def text_columns(rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The columns of rows of texts, as arrays."""
    return tuple(texts(column) for column in zip(*rows, strict=True))
