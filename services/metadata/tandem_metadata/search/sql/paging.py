"""Pages of a search: one row more than asked for is read, to know whether another page follows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select

from tandem_metadata.search.sql import page_token
from tandem_metadata.search.sql.order import Ordering

Rows = Sequence[Row[Any]]


def fetch(
    conn: Connection,
    matching: Select[Any],
    ordering: Ordering,
    *,
    search: str,
    limit: int,
    token: str | None,
) -> tuple[Rows, str | None]:
    """One page of the matching rows in their order, and the token of the next page if there is one.

    `search` is the fingerprint of the search, `token` that of the page to read, None for the first.
    Raises InvalidParameter for a token that is malformed or belongs to another search.
    """
    statement = (
        matching.add_columns(*ordering.columns())
        .where(*page_token.continuation(token, search, ordering))
        .order_by(*ordering.clauses())
        .limit(limit + 1)
    )
    return cut(conn.execute(statement).all(), ordering, search=search, limit=limit)


def cut(rows: Rows, ordering: Ordering, *, search: str, limit: int) -> tuple[Rows, str | None]:
    """The first `limit` of these rows, and the token of the next page if there are more."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], page_token.write(search, ordering.position(rows[limit - 1]))
