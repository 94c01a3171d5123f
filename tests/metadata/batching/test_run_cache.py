"""Pages of runs that were read before: not read again, and never older than what is stored."""

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Connection, text

from tandem_metadata.batching import run_cache
from tandem_metadata.batching.reader import Reader
from tandem_metadata.batching.run_cache import SnapshotRunCache
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import UpdateRun
from tandem_metadata.store.tracking import load, load_sql, log_entry, run_search, runs
from tandem_shared.wire import codec
from tests.metadata.conftest import only_postgresql
from tests.metadata.logging_client import log_to_run, new_run

_RUNS = 20


def test_cached_runs_are_found_by_the_snapshot_that_they_were_read_with() -> None:
    cache = SnapshotRunCache()
    cache.put("1:1:", {"a": b"1", "b": b"2"})
    cache.put("1:1:", {"c": b"3"})
    assert cache.find("1:1:", ["c", "a"]) == [b"3", b"1"]
    assert cache.find("1:1:", ["a", "d"]) is None
    assert cache.find("1:2:", ["a"]) is None
    assert cache.find(None, ["a"]) is None
    cache.put("1:2:", {"a": b"4"})
    assert cache.find("1:2:", ["a"]) == [b"4"]
    assert cache.find("1:2:", ["b"]) is None
    assert cache.find("1:1:", ["a"]) is None


def test_runs_of_an_unknown_snapshot_are_not_cached() -> None:
    cache = SnapshotRunCache()
    cache.put(None, {"a": b"1"})
    assert cache.find(None, ["a"]) is None


def test_runs_are_not_cached_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SnapshotRunCache()
    cache.put("1:1:", {"a": b"1"})
    assert cache.find("1:1:", ["a"]) == [b"1"]
    monkeypatch.setattr(run_cache, "_SECONDS", -1.0)
    cache.put("1:2:", {"a": b"1"})
    assert cache.find("1:2:", ["a"]) is None


def test_no_more_than_some_megabytes_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_cache, "_MAX_BYTES", 3)
    cache = SnapshotRunCache()
    cache.put("1:1:", {"a": b"12"})
    cache.put("1:1:", {"b": b"34"})
    assert cache.find("1:1:", ["a"]) == [b"12"]
    assert cache.find("1:1:", ["b"]) is None
    cache.put("1:2:", {"c": b"1234"})
    assert cache.find("1:2:", ["c"]) is None


@contextmanager
def _pages(database: Database) -> Iterator[tuple[Callable[[], list[bytes]], list[str]]]:
    """A function that asks for the runs of experiment 0, and the statements that read any."""
    reads: list[str] = []
    reader = Reader(database, Threads(2, 10), 10)

    def fetch(conn: Connection, statement: str, *given: Any) -> Any:
        reads.append(statement)
        return fetch_tuples(conn, statement, *given)

    async def ask() -> list[bytes]:
        with database.read() as conn:
            page = run_search.find_ids(conn, experiment_ids=["0"])
        return await reader.page(page)

    with patch.object(load_sql, "fetch_tuples", fetch), asyncio.Runner() as runner:
        yield lambda: runner.run(ask()), reads
        runner.run(reader.aclose())


def _stored(database: Database) -> list[bytes]:
    with database.read() as conn:
        ids = run_search.find_ids(conn, experiment_ids=["0"]).ids
        found = load.get(conn, ids)
    return [codec.encode_json(found[run_id]) for run_id in ids]


def _is_cached(ask: Callable[[], list[bytes]], reads: list[str]) -> bool:
    """Whether a page comes without reading; what a busy machine took too long for is tried anew."""
    for _ in range(5):
        before = len(reads)
        ask()
        if len(reads) == before:
            return True
    return False


@only_postgresql
def test_a_cached_page_is_read_once_while_nothing_is_written(database: Database) -> None:
    for _ in range(_RUNS):
        new_run(database)
    with _pages(database) as (ask, reads):
        assert ask() == _stored(database)
        assert reads
        assert _is_cached(ask, reads)
        assert ask() == _stored(database)


_WRITES: dict[str, Callable[[Connection, str], object]] = {
    "metric": lambda conn, run: log_to_run(conn, log_entry.metric(run, LoggedMetric("m", 2.0, 1))),
    "tag": lambda conn, run: runs.put_tags(conn, {(run, "t"): "new"}),
    "name": lambda conn, run: runs.update(conn, run, UpdateRun(run_name="renamed")),
    "deletion": runs.delete,
    "rows": lambda conn, run: conn.execute(
        text("DELETE FROM tags WHERE run_uuid = :run"), {"run": run}
    ),
}


@only_postgresql
@pytest.mark.parametrize("write", _WRITES)
def test_what_was_written_is_on_the_next_page_despite_the_cache(
    database: Database, write: str
) -> None:
    first, *_ = [new_run(database) for _ in range(_RUNS)]
    with database.write() as conn:
        runs.put_tags(conn, {(first, "t"): "old"})
        log_to_run(conn, log_entry.metric(first, LoggedMetric("m", 1.0, 1)))
    with _pages(database) as (ask, reads):
        before = ask()
        assert _is_cached(ask, reads)
        with database.write() as conn:
            _WRITES[write](conn, first)
            # What is not committed yet is on no page, and pages read meanwhile are not kept longer.
            assert ask() == before
        after = ask()
        assert after != before
        assert after == _stored(database)


@only_postgresql
def test_cached_pages_are_as_stored_whatever_transactions_do(database: Database) -> None:
    choose = random.Random(7)
    ids = [new_run(database) for _ in range(_RUNS)]
    uncommitted: dict[str, Any] = {}
    cached = 0
    with database.write() as conn:
        engine = conn.engine
    with _pages(database) as (ask, reads):
        for step in range(150):
            run_id = choose.choice(ids[:3])
            if run_id in uncommitted:
                conn, transaction = uncommitted.pop(run_id)
                choose.choice([transaction.commit, transaction.rollback])()
                conn.close()
            elif choose.random() < 0.5:
                conn = engine.connect()
                uncommitted[run_id] = conn, conn.begin()
                runs.put_tags(conn, {(run_id, "t"): str(step)})
            before = len(reads)
            page = ask()
            cached += len(reads) == before
            assert page == _stored(database)
    assert cached > 15  # 95 on a quiet machine
    for conn, _ in uncommitted.values():
        conn.close()


@only_postgresql
def test_runs_of_a_replica_are_not_cached(database: Database) -> None:
    """Its snapshots do not say which transactions are under way on the primary."""
    ids = [new_run(database) for _ in range(_RUNS)]
    with database.write() as conn:
        conn.exec_driver_sql(
            "CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean"
            " LANGUAGE sql STABLE AS 'SELECT true'"
        )
    with database.read() as conn:
        conn.exec_driver_sql("SET search_path = public, pg_catalog")
        assert run_search.find_ids(conn, experiment_ids=["0"]).snapshot is None
        assert [part.snapshot for part in load.parts(conn, ids)] == [None]
        conn.exec_driver_sql("RESET search_path")
        assert run_search.find_ids(conn, experiment_ids=["0"]).snapshot
