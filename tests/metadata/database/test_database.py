"""Connections, transactions, and how trouble with the database is told."""

import asyncio
import contextlib
import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, exc, select, text, update

from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database import pool, tables
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database, on_commit
from tandem_metadata.database.tables.tracking import experiments
from tandem_metadata.settings import Settings
from tandem_shared.errors import InvalidParameter, Unavailable
from tandem_shared.settings import SettingsError, replace
from tests.metadata.conftest import only_postgresql, only_sqlite, terminate_others


def _sample(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def _names(conn: Connection) -> list[str]:
    return list(conn.execute(select(experiments.c.name).order_by(experiments.c.experiment_id)))


def _add(conn: Connection, name: str) -> None:
    conn.execute(tables.insert(conn, experiments).values(name=name))


def _count(database: Database) -> int:
    with database.read() as conn:
        return len(_names(conn))


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
        _add(conn, "written")
    assert _count(database) == 2


def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    def write() -> None:
        with database.write() as conn:
            _add(conn, "undone")
            raise KeyError("changed my mind")

    with pytest.raises(KeyError):
        write()
    assert _count(database) == 1


def test_each_statement_of_a_read_sees_what_was_committed_before_it(database: Database) -> None:
    with database.read() as conn:
        assert len(_names(conn)) == 1
        with database.write() as other:
            _add(other, "meanwhile")
        assert len(_names(conn)) == 2


def test_a_connection_used_for_reading_can_be_used_for_a_transaction(settings: Settings) -> None:
    database = Database(replace(settings, pool_size=1))
    for name in ("a", "Default", "b"):
        before = _count(database)
        with contextlib.suppress(exc.IntegrityError), database.write() as conn:
            _add(conn, name)
        assert _count(database) == before + (name != "Default")
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
        _add(conn, "Default")
    assert _sample("tandem_db_pool_connections_in_use") == used
    assert _sample("tandem_db_commit_duration_seconds_count") == commits + 1


def test_the_pool_size_is_shown_while_the_database_is_open(settings: Settings) -> None:
    before = _sample("tandem_db_pool_size")
    database = Database(settings)
    assert _sample("tandem_db_pool_size") == before + settings.pool_size
    database.close()
    database.close()
    assert _sample("tandem_db_pool_size") == before


@only_sqlite
def test_sqlite_connections_sync_their_log_by_the_journal_mode(
    settings: Settings, tmp_path: Path
) -> None:
    database = Database(replace(settings, backend_store_uri=f"sqlite:///{tmp_path / 'new.db'}"))
    names = "journal_mode", "synchronous", "foreign_keys"
    full, normal = 2, 1

    def found() -> list[object]:
        with database.read() as conn:
            return [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert found() == ["delete", full, 1]
    database.prepare("unused")
    assert found() == ["wal", normal, 1]
    database.close()


@only_sqlite
def test_sqlite_sync_of_the_log_follows_each_commit_and_lets_others_write(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk has after the sync, as a power cut leaves it, holds what was acknowledged."""
    database.prepare("unused")
    path = Path(str(database.url.database))
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        log = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        assert log == path.with_name(path.name + "-wal").resolve()
        copy = tmp_path / f"copy-{len(synced)}.db"
        shutil.copy(path, copy)
        shutil.copy(log, copy.with_name(copy.name + "-wal"))
        with contextlib.closing(sqlite3.connect(copy)) as conn:
            names = conn.execute("SELECT name FROM experiments WHERE name LIKE 'it-%'").fetchall()
            synced.append(" ".join(name for (name,) in names))
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
        fdatasync(descriptor)

    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", sync)
    insert = "INSERT INTO experiments (name, lifecycle_stage) VALUES ('it-1', 'active')"
    with database.write() as conn:
        conn.exec_driver_sql(insert)
        assert synced == []
    assert synced == ["it-1"]
    database.run_in_transaction(lambda conn: conn.exec_driver_sql(insert.replace("it-1", "it-2")))
    assert synced == ["it-1", "it-1 it-2"]
    with pytest.raises(exc.IntegrityError), database.write() as conn:
        conn.exec_driver_sql(insert)
    assert len(synced) == 2


@only_sqlite
def test_sqlite_log_that_cannot_be_synced_is_no_success(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database.prepare("unused")

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(Unavailable, match="disk fails"), database.write() as conn:
        conn.exec_driver_sql("DELETE FROM runs")
    assert "Input/output error" in caplog.text
    monkeypatch.undo()
    with database.write() as conn:  # nothing is left locked
        conn.exec_driver_sql("DELETE FROM runs")


@only_sqlite
def test_a_locked_sqlite_database_is_unavailable(settings: Settings) -> None:
    database = Database(replace(settings, pool_timeout=0.05))
    other = sqlite3.connect(str(database.url.database))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked") as refused, database.write():
        pytest.fail("another process writes")
    assert str(database.url.database) not in refused.value.message
    assert _count(database) == 1
    other.close()
    with database.write() as conn:
        _add(conn, "now")
    database.close()


Ask = Callable[[], Awaitable[object]]


@contextlib.asynccontextmanager
async def _ask_a_batcher(database: Database) -> AsyncIterator[Ask]:
    def write(calls: Sequence[int]) -> Sequence[int]:
        with database.write():
            return calls

    batcher = Batcher[int, int]("test", write, cost=lambda _: 1, limit=1, timeout=1)
    yield lambda: batcher.run(1)
    await batcher.aclose()


@contextlib.asynccontextmanager
async def _ask_in_a_thread(database: Database, size: int) -> AsyncIterator[Ask]:
    def write() -> None:
        with database.write():
            pass

    threads = Threads(size, 1)
    yield lambda: threads.run(write)
    await threads.aclose()


@only_sqlite
@pytest.mark.parametrize(
    "ways",
    [
        _ask_a_batcher,
        partial(_ask_in_a_thread, size=1),
        partial(_ask_in_a_thread, size=2),
    ],
)
def test_what_waits_for_several_things_at_a_locked_sqlite_waits_no_longer_than_for_one(
    settings: Settings, ways: Callable[[Database], contextlib.AbstractAsyncContextManager[Ask]]
) -> None:
    database = Database(replace(settings, pool_timeout=1.0))
    other = sqlite3.connect(str(database.url.database))
    other.execute("BEGIN IMMEDIATE")

    async def main() -> list[float]:
        async with ways(database) as ask:

            async def timed(delay: float) -> float:
                await asyncio.sleep(delay)
                began = time.monotonic()
                with pytest.raises(Unavailable):
                    await ask()
                return time.monotonic() - began

            return await asyncio.gather(timed(0), timed(0.1))

    took = asyncio.run(main())
    other.close()
    assert max(took) < 1.5
    with database.write() as conn:  # and the next waits as long as ever
        assert conn.exec_driver_sql("PRAGMA busy_timeout").scalar() == 1_000
    database.close()


@only_sqlite
def test_a_transaction_is_the_only_writer_from_its_start(settings: Settings) -> None:
    database = Database(settings)
    other = sqlite3.connect(str(database.url.database), timeout=0)
    with database.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


@only_sqlite
def test_writers_that_wait_leave_connections_to_readers(settings: Settings) -> None:
    database = Database(replace(settings, pool_size=2, pool_timeout=0.2))
    refused: list[Unavailable] = []

    def write() -> None:
        try:
            with database.write():
                pytest.fail("another thread writes")
        except Unavailable as error:
            refused.append(error)

    with database.write():
        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        database.ping()
        for thread in threads:
            thread.join()
    assert ["busy" in error.message for error in refused] == [True] * 3
    database.close()


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
            _add(conn, "lost")
            terminate_others(database)
            _add(conn, "never")

    with pytest.raises(Unavailable, match="does not answer"):
        write()
    assert _count(database) == 1


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
        _add(conn, "x" * 257)


@only_postgresql
def test_a_deadlock_is_tried_again(database: Database) -> None:
    with database.write() as conn:
        _add(conn, "other")
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
    def add(conn: Connection) -> str:
        _add(conn, "added")
        return "done"

    assert database.run_in_transaction(add) == "done"
    assert _count(database) == 2


def test_a_transaction_that_fails_for_good_is_not_tried_again(database: Database) -> None:
    attempts = []

    def add(conn: Connection) -> None:
        attempts.append(1)
        _add(conn, "Default")

    with pytest.raises(exc.IntegrityError):
        database.run_in_transaction(add)
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
        told.append((_count(database), threading.get_ident()))

    def fail() -> None:
        with database.write() as conn:
            on_commit(conn, tell)
            raise KeyError("undone")

    with pytest.raises(KeyError):
        fail()
    with database.write() as conn:
        _add(conn, "without")
    assert told == []
    with database.write() as conn:
        _add(conn, "with")
        on_commit(conn, tell)
        on_commit(conn, tell)
        assert told == []
    assert told == [(3, threading.get_ident())]
    with database.write() as conn:
        _add(conn, "without again")
    assert len(told) == 1


def _in_threads(functions: list[Any]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
