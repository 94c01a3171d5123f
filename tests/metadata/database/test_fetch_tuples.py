"""Rows without SQLAlchemy between: errors are told, and connections replaced, as with it."""

import sqlite3

import psycopg
import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.database.pool import PLANNED, PREPARED_AFTER
from tandem_shared.errors import Unavailable
from tests.metadata.conftest import only_postgresql, only_sqlite, terminate_others


def test_fetch_tuples_returns_all_rows_as_plain_tuples(database: Database) -> None:
    mark = ":first" if database.dialect == "sqlite" else "%(first)s"
    with database.read() as conn:
        rows = fetch_tuples(conn, f"SELECT {mark} + 0, 'a' UNION ALL SELECT 2, 'b'", {"first": 1})
        assert sorted(rows) == [(1, "a"), (2, "b")]
        assert {type(row) for row in rows} == {tuple}
        assert fetch_tuples(conn, f"SELECT 1 WHERE 2 < {mark}", {"first": 1}) == []


def test_fetch_tuples_raises_what_the_driver_raises(database: Database) -> None:
    with (
        database.read() as conn,
        pytest.raises((sqlite3.OperationalError, psycopg.ProgrammingError), match="nothing"),
    ):
        fetch_tuples(conn, "SELECT 1 FROM nothing", {})
    with database.read() as conn:
        assert fetch_tuples(conn, "SELECT 1", {}) == [(1,)]


@only_sqlite
def test_fetch_tuples_of_a_file_that_fails_is_told_as_unavailable(database: Database) -> None:
    def write() -> None:
        with database.read() as conn:
            fetch_tuples(conn, "PRAGMA query_only = ON", {})
            fetch_tuples(conn, "DELETE FROM runs", {})

    with pytest.raises(Unavailable, match="takes no writes"):
        write()


@only_postgresql
def test_fetch_tuples_on_a_lost_connection_has_all_replaced(database: Database) -> None:
    def read(*, lost: bool) -> int:
        with database.read() as conn:
            if lost:
                terminate_others(database)
            return int(fetch_tuples(conn, "SELECT 1", {})[0][0])

    with pytest.raises(Unavailable, match="does not answer"):
        read(lost=True)
    assert read(lost=False) == 1


@only_postgresql
def test_fetch_tuples_is_prepared_also_after_a_statement_that_is_planned(
    database: Database,
) -> None:
    statement = "SELECT 1 WHERE 2 < %(first)s::int"
    with database.read() as conn:
        for _ in range(PREPARED_AFTER + 1):
            conn.exec_driver_sql("SELECT 2", execution_options={PLANNED: True})
            fetch_tuples(conn, statement, {"first": 1})
        prepared = conn.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars()
        assert [each for each in prepared if "WHERE 2 <" in each]
