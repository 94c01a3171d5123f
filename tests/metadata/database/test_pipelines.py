"""Statements that PostgreSQL gets in one message, and what they may meet."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_each, without_waiting
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import replace
from tests.metadata.conftest import only_postgresql, terminate_others

_ADD = "INSERT INTO experiments (name) VALUES ('%s')"
_NAMES = "SELECT name FROM experiments ORDER BY name"
_DEADLOCK = "DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"
_TWICE = _ADD % "Default"


@pytest.fixture
def single(settings: Settings) -> Iterator[Database]:
    """A prepared database with one connection."""
    opened = Database(replace(settings, pool_size=1))
    yield opened
    opened.close()


def _add(conn: Connection, *statements: str) -> None:
    with without_waiting(conn):
        for statement in statements:
            conn.exec_driver_sql(statement)


def _read(conn: Connection, *statements: str) -> None:
    fetch_each(conn, [(statement, ()) for statement in statements])


def _names(database: Database) -> list[str]:
    with database.read() as conn:
        (rows,) = fetch_each(conn, [(_NAMES, ())])
    return [name for (name,) in rows]


def test_each_statement_sees_those_before_it(single: Database) -> None:
    with single.write() as conn:
        _add(conn, _ADD % "a", _ADD % "b", "DELETE FROM experiments WHERE name = 'a'")
        before, count = fetch_each(conn, [(_NAMES, ()), ("SELECT count(*) FROM experiments", ())])
    assert [name for (name,) in before] == ["Default", "b"]
    assert [*count] == [(2,)]
    assert _names(single) == ["Default", "b"]


@only_postgresql
@pytest.mark.parametrize("work", [_add, _read])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_deadlock_is_tried_again(single: Database, work: Callable[..., None], place: int) -> None:
    attempts: list[Connection] = []

    def write(conn: Connection) -> None:
        attempts.append(conn)
        conn.exec_driver_sql(_ADD % f"try {len(attempts)}")
        statements = ["DELETE FROM experiments WHERE name = 'none' RETURNING name"] * 3
        if len(attempts) < 3:
            statements[place] = _DEADLOCK
        work(conn, *statements)

    single.run_in_transaction(write)
    assert len(attempts) == 3
    assert _names(single) == ["Default", "try 3"]


@pytest.mark.parametrize("statements", [(_TWICE,), (_TWICE, _ADD % "b"), (_ADD % "b", _TWICE)])
def test_a_statement_that_is_refused_undoes_all(
    single: Database, statements: tuple[str, ...]
) -> None:
    with pytest.raises(Exception, match=r"(?i)unique"), single.write() as conn:
        _add(conn, _ADD % "a", *statements)
    assert _names(single) == ["Default"]


@only_postgresql
@pytest.mark.parametrize("work", [_add, _read])
def test_a_connection_that_is_lost_is_replaced(
    single: Database, database: Database, work: Callable[..., None]
) -> None:
    def write(conn: Connection) -> None:
        conn.exec_driver_sql(_ADD % "never")
        terminate_others(database)
        work(conn, "SELECT 1", "SELECT 2")

    with pytest.raises(Unavailable, match="does not answer"):
        single.run_in_transaction(write)
    assert _names(single) == ["Default"]
