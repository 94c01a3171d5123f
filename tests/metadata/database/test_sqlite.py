"""SQLite: how commits reach the disk, and how its one writer is waited for."""

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

import pytest
from sqlalchemy import exc

from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared.errors import Unavailable
from tandem_shared.settings import replace
from tests.metadata.conftest import only_sqlite
from tests.metadata.database.experiment_rows import add, count


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
def test_sqlite_log_that_failed_a_sync_is_emptied_before_the_next_commit_succeeds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells a failed write once: the next sync says nothing of pages that it lost."""
    database.prepare("unused")
    path = Path(str(database.url.database))
    log = path.with_name(path.name + "-wal")
    insert = "INSERT INTO experiments (name, lifecycle_stage) VALUES ('it-{}', 'active')"
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    reader.execute("SELECT 1 FROM experiments").fetchall()

    def fail(_: int) -> None:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        raise OSError(errno.EIO, "Input/output error")

    def write(number: int) -> None:
        with database.write() as conn:
            conn.exec_driver_sql("PRAGMA busy_timeout = 100")
            conn.exec_driver_sql(insert.format(number))

    write(1)
    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", fail)
    for number in 2, 3:
        with pytest.raises(Unavailable, match="disk fails"):
            write(number)
    reader.close()
    before = log.stat().st_size
    write(4)
    assert log.stat().st_size < before
    with contextlib.closing(sqlite3.connect(path)) as conn:
        rows = conn.execute("SELECT name FROM experiments WHERE name LIKE 'it-%'").fetchall()
    assert [name for (name,) in rows] == ["it-1", "it-2", "it-4"]


@only_sqlite
def test_sqlite_sync_under_way_is_no_failure_to_the_next_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.prepare("unused")
    reader = sqlite3.connect(str(database.url.database))
    reader.execute("BEGIN")
    reader.execute("SELECT 1 FROM experiments").fetchall()
    before = count(database)
    failures: list[Unavailable] = []

    def write(name: str) -> None:
        try:
            with database.write() as conn:
                conn.exec_driver_sql("PRAGMA busy_timeout = 100")
                add(conn, name)
        except Unavailable as error:
            failures.append(error)

    def sync(descriptor: int) -> None:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        other.start()
        other.join(0.5)  # it waits for this sync, or fails at once
        fdatasync(descriptor)

    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", sync)
    other = threading.Thread(target=write, args=("second",))
    write("first")
    other.join()
    reader.close()
    assert failures == []
    assert count(database) == before + 2


@only_sqlite
def test_sqlite_log_stays_open_from_before_the_first_commit_while_sqlite_keeps_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells of a failed write only the descriptors that were open then."""
    database.prepare("unused")
    synced: list[tuple[int, int]] = []

    def sync(descriptor: int) -> None:
        synced.append((descriptor, os.fstat(descriptor).st_ino))
        fdatasync(descriptor)

    fdatasync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", sync)
    log = Path(f"{database.url.database}-wal")
    for _ in range(2):
        with database.write() as conn:
            conn.exec_driver_sql("DELETE FROM runs")
        assert synced[-1][1] == log.stat().st_ino
    assert synced[0] == synced[1]
    with database.read() as conn:
        engine = conn.engine
    engine.dispose()  # SQLite removes the log with its last connection
    assert not log.exists()
    with database.write() as conn:
        conn.exec_driver_sql("DELETE FROM runs")
    assert synced[-1][1] == log.stat().st_ino


@only_sqlite
def test_a_locked_sqlite_database_is_unavailable(settings: Settings) -> None:
    database = Database(replace(settings, pool_timeout=0.05))
    other = sqlite3.connect(str(database.url.database))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked") as refused, database.write():
        pytest.fail("another process writes")
    assert str(database.url.database) not in refused.value.message
    assert count(database) == 1
    other.close()
    with database.write() as conn:
        add(conn, "now")
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
