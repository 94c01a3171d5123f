"""Connections, transactions, and how trouble with the database is told."""

import contextlib
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, exc, select, text, update

from tandem_metadata.database import pool, tables
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database, on_commit
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tandem_shared.errors import InvalidParameter, Unavailable
from tandem_shared.settings import SettingsError, replace
from tests.metadata.conftest import only_postgresql, terminate_others
from tests.metadata.database.experiment_rows import add, count, names


def _sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgresql+psycopg2://h:5433/d?sslmode=require", None),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite+pysqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_the_address_names_the_driver_that_is_used(text: str, normal: str | None) -> None:
    expected = normal or "postgresql+psycopg://h:5433/d?sslmode=require"
    assert parse_url(text).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "text",
    [
        "mysql://u:secret@h/d",
        "postgresql://u:secret@h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:////no/such/directory/mlflow.db",
        "sqlite://secret/mlflow.db",
        "secret",
    ],
)
def test_an_unusable_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SettingsError, match="--backend-store-uri") as refused:
        parse_url(text)
    assert "secret" not in str(refused.value)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not-there, does not exist"):
        Database(Settings(backend_store_uri=f"sqlite:///{tmp_path}/not-there/mlflow.db"))


def test_what_is_written_is_read(database: Database) -> None:
    with database.write() as conn:
        add(conn, "written")
    assert count(database) == 2


def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    def write() -> None:
        with database.write() as conn:
            add(conn, "undone")
            raise KeyError("changed my mind")

    with pytest.raises(KeyError):
        write()
    assert count(database) == 1


def test_each_statement_of_a_read_sees_what_was_committed_before_it(database: Database) -> None:
    with database.read() as conn:
        assert len(names(conn)) == 1
        with database.write() as other:
            add(other, "meanwhile")
        assert len(names(conn)) == 2


def test_a_connection_used_for_reading_can_be_used_for_a_transaction(settings: Settings) -> None:
    database = Database(replace(settings, pool_size=1))
    for name in ("a", "Default", "b"):
        before = count(database)
        with contextlib.suppress(exc.IntegrityError), database.write() as conn:
            add(conn, name)
        assert count(database) == before + (name != "Default")
    database.close()


def test_writers_of_several_threads_lose_nothing(database: Database) -> None:
    def count_up() -> None:
        for _ in range(10):
            with database.write() as conn:
                conn.execute(
                    update(experiments).values(last_update_time=experiments.c.last_update_time + 1)
                )

    with database.write() as conn:
        conn.execute(update(experiments).values(last_update_time=0))
    _in_threads([count_up] * 4)
    with database.read() as conn:
        assert conn.execute(select(experiments.c.last_update_time)).scalar() == 40


def test_like_tells_upper_from_lower_case(database: Database) -> None:
    with database.read() as conn:
        query = select(experiments.c.name).where(experiments.c.name.like("default"))
        assert conn.execute(query).all() == []


def test_foreign_keys_are_enforced(database: Database) -> None:
    orphan = tables.tracking.params.insert().values(key="k", value="v", run_uuid="none")
    with pytest.raises(exc.IntegrityError), database.write() as conn:
        conn.execute(orphan)


def test_a_full_pool_is_unavailable_and_counted(settings: Settings) -> None:
    database = Database(replace(settings, pool_size=1, pool_timeout=0.05))
    before = _sample("tandem_db_pool_timeouts_total")
    with (
        database.read(),
        pytest.raises(Unavailable, match="connections are in use"),
        database.read(),
    ):
        pytest.fail("there was one connection only")
    assert _sample("tandem_db_pool_timeouts_total") == before + 1
    database.ping()
    database.close()


def test_connections_in_use_and_commits_are_counted(database: Database) -> None:
    used = _sample("tandem_db_pool_connections_in_use")
    commits = _sample("tandem_db_commit_duration_seconds_count")
    with database.write():
        assert _sample("tandem_db_pool_connections_in_use") == used + 1
    with pytest.raises(exc.IntegrityError), database.write() as conn:
        add(conn, "Default")
    assert _sample("tandem_db_pool_connections_in_use") == used
    assert _sample("tandem_db_commit_duration_seconds_count") == commits + 1


def test_the_pool_size_is_shown_while_the_database_is_open(settings: Settings) -> None:
    before = _sample("tandem_db_pool_size")
    database = Database(settings)
    assert _sample("tandem_db_pool_size") == before + settings.pool_size
    database.close()
    database.close()
    assert _sample("tandem_db_pool_size") == before


@only_postgresql
@pytest.mark.parametrize("wanted", [True, False])
def test_statements_are_prepared_unless_the_settings_say_otherwise(
    settings: Settings, wanted: bool
) -> None:
    database = Database(replace(settings, pool_size=1, db_prepared_statements=wanted))
    with database.read() as conn:
        for number in range(10):
            conn.execute(text("SELECT CAST(:number AS INTEGER)"), {"number": number})
        prepared = conn.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar()
    assert bool(prepared) is wanted
    database.close()


@only_postgresql
@pytest.mark.parametrize("idle", [True, False])
def test_a_connection_lost_while_idle_is_replaced(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    if idle:
        monkeypatch.setattr(pool, "_IDLE_SECONDS", 0.0)
    other = Database(replace(settings, pool_size=1))
    other.ping()
    terminate_others(database)
    if not idle:  # used a moment ago, it is not asked: the first request meets the loss
        with pytest.raises(Unavailable, match="does not answer"):
            other.ping()
    other.ping()
    other.close()


@only_postgresql
def test_a_connection_lost_while_in_use_is_unavailable(database: Database) -> None:
    def write() -> None:
        with database.write() as conn:
            add(conn, "lost")
            terminate_others(database)
            add(conn, "never")

    with pytest.raises(Unavailable, match="does not answer"):
        write()
    assert count(database) == 1


@only_postgresql
def test_a_read_opens_no_transaction(database: Database) -> None:
    with database.read() as conn:
        for _ in range(2):
            query = "SELECT transaction_timestamp() = statement_timestamp()"
            assert conn.exec_driver_sql(query).scalar() is True


@only_postgresql
def test_a_transaction_reads_committed_and_says_who_it_is(database: Database) -> None:
    with database.write() as conn:
        assert conn.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        assert conn.exec_driver_sql("SHOW application_name").scalar() == "tandem-metadata"


@only_postgresql
def test_a_value_that_does_not_fit_is_the_callers_fault(database: Database) -> None:
    with pytest.raises(InvalidParameter, match="too long"), database.write() as conn:
        add(conn, "x" * 257)


@only_postgresql
def test_a_deadlock_is_tried_again(database: Database) -> None:
    with database.write() as conn:
        add(conn, "other")
    both_hold_one = threading.Barrier(2)
    attempts: list[int] = []

    def cross(first: int, second: int) -> Any:
        tried = False

        def move(conn: Connection) -> None:
            nonlocal tried
            attempts.append(first)
            conn.execute(_touch(first))
            if not tried:
                tried = True
                both_hold_one.wait()
            conn.execute(_touch(second))

        return lambda: database.run_in_transaction(move)

    _in_threads([cross(0, 1), cross(1, 0)])
    assert len(attempts) > 2


def _touch(experiment: int) -> Any:
    changed = update(experiments).where(experiments.c.experiment_id == experiment)
    return changed.values(last_update_time=1)


def test_a_transaction_run_as_a_function_returns_its_result(database: Database) -> None:
    def write(conn: Connection) -> str:
        add(conn, "added")
        return "done"

    assert database.run_in_transaction(write) == "done"
    assert count(database) == 2


def test_a_transaction_that_fails_for_good_is_not_tried_again(database: Database) -> None:
    attempts = []

    def write(conn: Connection) -> None:
        attempts.append(1)
        add(conn, "Default")

    with pytest.raises(exc.IntegrityError):
        database.run_in_transaction(write)
    assert len(attempts) == 1


def test_a_refused_connection_is_unavailable_and_tells_no_secret() -> None:
    database = Database(Settings(backend_store_uri="postgresql://someone:secret@127.0.0.1:1/name"))
    with pytest.raises(Unavailable) as refused:
        database.ping()
    assert refused.value.message == "The database does not answer; try again later."
    database.close()


def test_on_commit_is_called_once_by_the_thread_after_its_commit_only(database: Database) -> None:
    told: list[tuple[int, int]] = []

    def tell() -> None:
        told.append((count(database), threading.get_ident()))

    def fail() -> None:
        with database.write() as conn:
            on_commit(conn, tell)
            raise KeyError("undone")

    with pytest.raises(KeyError):
        fail()
    with database.write() as conn:
        add(conn, "without")
    assert told == []
    with database.write() as conn:
        add(conn, "with")
        on_commit(conn, tell)
        on_commit(conn, tell)
        assert told == []
    assert told == [(3, threading.get_ident())]
    with database.write() as conn:
        add(conn, "without again")
    assert len(told) == 1


def test_on_commit_is_refused_outside_of_a_transaction(database: Database) -> None:
    with database.read() as conn, pytest.raises(RuntimeError, match=r"Database\.write"):
        on_commit(conn, pytest.fail)
    with database.write() as conn:
        add(conn, "written")
    with database.read() as conn, pytest.raises(RuntimeError, match=r"Database\.write"):
        on_commit(conn, pytest.fail)


def _in_threads(functions: list[Any]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@only_postgresql
def test_what_the_address_leaves_out_comes_from_libpq_s_variables(
    prepared_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = urlsplit(prepared_uri)
    monkeypatch.setenv("PGHOST", str(given.hostname))
    monkeypatch.setenv("PGPORT", str(given.port))
    monkeypatch.setenv("PGUSER", str(given.username))
    monkeypatch.setenv("PGPASSWORD", "p@ss/w:rd%?#")
    monkeypatch.setenv("PGDATABASE", given.path[1:])
    database = Database(Settings(backend_store_uri="postgresql://?application_name=parts"))
    with database.read() as conn:
        found = conn.exec_driver_sql(
            "SELECT current_database(), current_setting('application_name')"
        ).one()
    database.close()
    assert tuple(found) == (given.path[1:], "parts")
