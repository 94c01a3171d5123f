"""Statements that are a transaction by themselves, past SQLAlchemy, and what they may meet."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, exc

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import DirectConnection
from tandem_metadata.settings import Settings
from tandem_shared.errors import InvalidParameter, Unavailable
from tandem_shared.settings import replace
from tests.metadata.conftest import only_postgresql, terminate_others

pytestmark = only_postgresql

Conn = Connection | DirectConnection
_ADD = "INSERT INTO experiments (name) VALUES (%s) RETURNING name"


@pytest.fixture
def single(settings: Settings) -> Iterator[Database]:
    """A prepared database with one connection."""
    opened = Database(replace(settings, pool_size=1, pool_timeout=0.05))
    yield opened
    opened.close()


def _sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def _names(database: Database) -> set[str]:
    return {
        row[0]
        for row in database.execute_autocommit(
            lambda c: c.exec_driver_sql("SELECT name FROM experiments")
        )
    }


def test_it_is_committed_when_it_returns(single: Database, database: Database) -> None:
    commits = _sample("tandem_db_commit_duration_seconds_count")
    waits = _sample("tandem_db_pool_wait_seconds_count")

    def add(conn: Conn) -> list[str]:
        assert _sample("tandem_db_pool_connections_in_use") == used + 1
        return [row[0] for row in conn.exec_driver_sql(_ADD, ("a",))]

    used = _sample("tandem_db_pool_connections_in_use")
    assert single.execute_autocommit(add) == ["a"]
    assert _sample("tandem_db_pool_connections_in_use") == used
    assert _sample("tandem_db_commit_duration_seconds_count") == commits + 1
    assert _sample("tandem_db_pool_wait_seconds_count") == waits + 1
    assert _names(database) == {"Default", "a"}


def test_the_same_connection_serves_transactions_before_and_after(single: Database) -> None:
    def fail(conn: Connection) -> None:
        conn.exec_driver_sql(_ADD, ("undone",))
        assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        raise ZeroDivisionError

    for name in ("a", "b"):
        single.execute_autocommit(lambda conn, name=name: conn.exec_driver_sql(_ADD, (name,)))
        with pytest.raises(ZeroDivisionError):
            single.run_in_transaction(fail)
        single.run_in_transaction(
            lambda conn, name=name: conn.exec_driver_sql(_ADD, (name + name,))
        )
    assert _names(single) == {"Default", "a", "aa", "b", "bb"}


@pytest.mark.parametrize(
    ("name", "error"), [("Default", exc.IntegrityError), ("x" * 257, InvalidParameter)]
)
def test_what_is_refused_is_told_as_of_any_statement(
    single: Database, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        single.execute_autocommit(lambda conn: conn.exec_driver_sql(_ADD, (name,)))
    assert _names(single) == {"Default"}


def test_a_deadlock_is_tried_again(single: Database) -> None:
    attempts: list[Conn] = []

    def write(conn: Conn) -> list[str]:
        attempts.append(conn)
        if len(attempts) < 3:
            conn.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
        return [row[0] for row in conn.exec_driver_sql(_ADD, ("a",))]

    assert single.execute_autocommit(write) == ["a"]
    assert len(attempts) == 3


def test_a_connection_that_is_lost_meanwhile_is_not_tried_again_but_replaced(
    single: Database, database: Database
) -> None:
    attempts = []

    def write(conn: Conn) -> None:
        attempts.append(conn)
        terminate_others(database)
        conn.exec_driver_sql(_ADD, ("never",))

    with pytest.raises(Unavailable, match="does not answer"):
        single.execute_autocommit(write)
    assert len(attempts) == 1
    assert _names(single) == {"Default"}


def test_a_connection_that_ends_by_another_error_than_operational_is_lost_too(
    single: Database,
) -> None:
    """PostgreSQL ends it by an error of class 25, which psycopg takes for an internal one."""

    def write(conn: Conn) -> None:
        set_timeout = "SELECT set_config('idle_in_transaction_session_timeout', '50ms', true)"
        with pytest.raises(psycopg.ProgrammingError):  # BEGIN returns no rows
            conn.exec_driver_sql(f"BEGIN; {set_timeout}")
        time.sleep(0.5)
        conn.exec_driver_sql(_ADD, ("never",))

    with pytest.raises(Unavailable, match="does not answer"):
        single.execute_autocommit(write)
    assert _names(single) == {"Default"}


def test_a_full_pool_is_unavailable_and_counted(single: Database) -> None:
    before = _sample("tandem_db_pool_timeouts_total")
    with single.read(), pytest.raises(Unavailable, match="connections are in use"):
        single.execute_autocommit(lambda conn: conn.exec_driver_sql("SELECT 1"))
    assert _sample("tandem_db_pool_timeouts_total") == before + 1
    assert _names(single) == {"Default"}


def test_a_database_that_is_not_there_is_unavailable(settings: Settings) -> None:
    attempts: list[Conn] = []
    gone = Database(replace(settings, backend_store_uri="postgresql://u:secret@127.0.0.1:1/d"))
    with pytest.raises(Unavailable, match="does not answer") as told:
        gone.execute_autocommit(attempts.append)
    assert "secret" not in str(told.value)
    assert not attempts
    gone.close()


def test_what_the_function_itself_raises_leaves_the_connection_in_order(single: Database) -> None:
    def fail(conn: Conn) -> None:
        conn.exec_driver_sql(_ADD, ("done",))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        single.execute_autocommit(fail)
    assert _names(single) == {"Default", "done"}
