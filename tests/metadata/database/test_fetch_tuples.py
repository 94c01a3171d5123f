"""SQLite's rows without SQLAlchemy between: its errors are told as those of other reads are."""

import sqlite3

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_tuples
from tandem_shared.errors import Unavailable
from tests.metadata.conftest import only_sqlite

pytestmark = only_sqlite


def test_fetch_tuples_returns_all_rows_as_plain_tuples(database: Database) -> None:
    with database.read() as conn:
        rows = fetch_tuples(conn, "SELECT :first, 'a' UNION ALL SELECT 2, 'b'", {"first": 1})
        assert sorted(rows) == [(1, "a"), (2, "b")]
        assert {type(row) for row in rows} == {tuple}
        assert fetch_tuples(conn, "SELECT 1 WHERE 2 < :first", {"first": 1}) == []


def test_fetch_tuples_raises_what_the_driver_raises(database: Database) -> None:
    with database.read() as conn, pytest.raises(sqlite3.OperationalError, match="nothing"):
        fetch_tuples(conn, "SELECT 1 FROM nothing", {})
    with database.read() as conn:
        assert fetch_tuples(conn, "SELECT 1", {}) == [(1,)]


def test_fetch_tuples_of_a_file_that_fails_is_told_as_unavailable(database: Database) -> None:
    def write() -> None:
        with database.read() as conn:
            fetch_tuples(conn, "PRAGMA query_only = ON", {})
            fetch_tuples(conn, "DELETE FROM runs", {})

    with pytest.raises(Unavailable, match="takes no writes"):
        write()
