"""Rows without SQLAlchemy's Row around each: the one use of `CursorResult.cursor`."""

import pytest
from sqlalchemy import exc

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_tuples


def test_fetch_tuples_returns_all_rows_as_plain_tuples(database: Database) -> None:
    mark = ":first" if database.dialect == "sqlite" else "%(first)s"
    with database.read() as conn:
        rows = fetch_tuples(conn, f"SELECT {mark} + 0, 'a' UNION ALL SELECT 2, 'b'", {"first": 1})
        assert sorted(rows) == [(1, "a"), (2, "b")]
        assert {type(row) for row in rows} == {tuple}
        assert fetch_tuples(conn, f"SELECT 1 WHERE 2 < {mark}", {"first": 1}) == []


def test_fetch_tuples_raises_as_sqlalchemy_does(database: Database) -> None:
    with database.read() as conn, pytest.raises(exc.DBAPIError):
        fetch_tuples(conn, "SELECT 1 FROM nothing", {})
