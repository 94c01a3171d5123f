"""Group commit of traces: many calls, few transactions, nothing lost."""

import asyncio
import os
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection

from tandem_metadata.batching.trace_writer import TraceWriter
from tandem_metadata.database.database import Database
from tandem_metadata.messages.traces import TraceInfo
from tandem_metadata.settings import Settings
from tandem_metadata.store.traces import load, write
from tandem_metadata.store.traces.changes import Change, EndTrace, Logged, LogSpans, Told
from tandem_shared.errors import InvalidParameter, NotFound, Unavailable
from tests.harness.processes import eventually
from tests.metadata.batching.groups import count_commits
from tests.metadata.conftest import only_postgresql, only_sqlite
from tests.metadata.traces import writing
from tests.metadata.traces.writing import (
    logged,
    make,
    name_of,
    new_id,
    span,
    started,
    stored,
    usage,
)

MANY_BYTES = 1_000_000


async def _call(writer: TraceWriter, change: Change) -> Any:
    if isinstance(change, LogSpans):
        return await writer.log(change)
    return await (writer.end(change) if isinstance(change, EndTrace) else writer.start(change))


def together(database: Database, changes: Sequence[Change]) -> list[Any]:
    """The outcomes of changes that wait for the same transaction."""

    async def main() -> list[Any]:
        writer = TraceWriter(database, 10, MANY_BYTES)
        busy, go = threading.Event(), threading.Event()
        run_in_transaction = database.run_in_transaction

        def wait_first(function: Any, *, point_lookup: bool = False) -> Any:
            busy.set()
            assert go.wait(10)
            return run_in_transaction(function, point_lookup=point_lookup)

        database.run_in_transaction = wait_first  # type: ignore[assignment]
        first = asyncio.create_task(writer.log(logged(span(new_id()))))
        assert await asyncio.to_thread(busy.wait, 10)
        tasks = [asyncio.create_task(_call(writer, each)) for each in changes]
        await asyncio.sleep(0)
        database.run_in_transaction = run_in_transaction  # type: ignore[method-assign]
        go.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        await writer.aclose()
        return outcomes

    return asyncio.run(main())


def test_calls_that_wait_are_committed_together(database: Database) -> None:
    ids = [new_id() for _ in range(4)]
    calls: list[Change] = [logged(span(each, 1), span(each, 2, 1)) for each in ids]
    calls += [started(each, Told(name="n")) for each in ids]
    with count_commits(database) as commits:
        outcomes = together(database, calls)
    assert len(commits) == 2  # that of the first call, and one
    assert [type(each) for each in outcomes] == [Logged] * 4 + [TraceInfo] * 4
    for each, info in zip(ids, outcomes[4:], strict=True):
        found = stored(database, each)
        assert len(found["spans"]) == 2
        assert info.tags == found["tags"] | {
            "mlflow.artifactLocation": info.tags["mlflow.artifactLocation"]
        }


def test_each_call_that_fails_fails_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = new_id(), new_id()
    save = write.save.save

    def refuse(conn: Connection, schema: Any, traces: Any) -> None:
        if any(each.trace_id == writing.name_of(bad) for each in traces):
            conn.exec_driver_sql("SELECT nonsense")
        save(conn, schema, traces)

    monkeypatch.setattr(write.save, "save", refuse)
    outcomes = together(
        database,
        [
            logged(span(good, 1)),
            logged(span(bad)),
            logged(span(good, 2), experiment_id="7"),
            started(good, experiment_id="abc"),
            EndTrace("tr-nobody", 1, "OK", Told()),
            started(good, Told(name="n")),
        ],
    )
    assert isinstance(outcomes[0], Logged)
    assert isinstance(outcomes[1], Exception)
    assert [type(each) for each in outcomes[2:5]] == [NotFound, InvalidParameter, NotFound]
    assert outcomes[5].tags["mlflow.traceName"] == "n"
    assert len(stored(database, good)["spans"]) == 1


@only_sqlite
def test_all_calls_fail_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable("away")

    outcomes = []

    async def main() -> None:
        writer = TraceWriter(database, 10, MANY_BYTES)
        monkeypatch.setattr(database, "run_in_transaction", away)
        calls = [_call(writer, logged(span(new_id()))) for _ in range(3)]
        outcomes.extend(await asyncio.gather(*calls, return_exceptions=True))
        await writer.aclose()

    asyncio.run(main())
    assert [type(each) for each in outcomes] == [Unavailable] * 3


@only_sqlite
def test_bytes_that_are_held_are_bounded_and_given_back(database: Database) -> None:
    writer = TraceWriter(database, 10, 32 * 1024 * 1024)
    with writer.holding(40 * 1024 * 1024):
        with pytest.raises(Unavailable) as refused, writer.holding(30 * 1024 * 1024):
            pass
        assert refused.value.retry_after
        with writer.holding(20 * 1024 * 1024):
            pass
    with writer.holding(60 * 1024 * 1024):
        pass


def _parts(trace: bytes) -> list[Change]:
    """A trace in many parts, whose usage is told by spans below each other."""
    parts: list[Change] = [
        logged(
            span(
                trace,
                number,
                None if number == 1 else number // 2,
                usage(number) if number % 3 else {},
            )
        )
        for number in range(1, 25)
    ]
    told = Told(name="agent", metadata={"k": "v"}, tags={"t": "v"})
    return [*parts, started(trace, told)]


def test_eight_writers_of_one_trace_on_two_workers_lose_nothing(
    settings: Settings, database: Database
) -> None:
    """Each worker has a pool of its own; each part is sent twice."""
    workers = [Database(settings, point_lookups=1) for _ in range(2)]
    expected, *ids = [new_id() for _ in range(4)]
    make(database, *_parts(expected))
    parts = [part for trace in ids for part in _parts(trace)] * 2
    random.Random(os.urandom(8)).shuffle(parts)

    def write_part(number: int) -> None:
        # Several at once, in an order of their own, as groups have them.
        make(workers[number % 2], *parts[number * 3 : number * 3 + 3])

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(write_part, range(len(parts) // 3))]
    for each in ids:
        assert stored(database, each) == stored(database, expected)
    for worker in workers:
        worker.close()


@only_postgresql
def test_changes_are_made_again_when_another_worker_has_just_created_a_trace(
    settings: Settings, database: Database
) -> None:
    """To lock it while having created others would let two workers wait for each other."""
    first, second = sorted((new_id(), new_id()))
    other = Database(settings, point_lookups=1)
    attempts = []

    def write_both(conn: Connection) -> list[write.Outcome]:
        attempts.append(conn)
        return write.write(conn, [logged(span(first, 1)), logged(span(second, 2, 1))])

    with ThreadPoolExecutor(1) as pool:
        with database.write() as conn:
            write.write(conn, [logged(span(second, 1))])
            waiting = pool.submit(other.run_in_transaction, write_both)
            eventually(lambda: _waits_for_a_lock(database))
        with pytest.raises(write.TracesAppeared):
            waiting.result()
    with database.read() as conn:
        assert [each.trace_id for each in load.infos(conn, [name_of(first)])] == []
    other.run_in_transaction(write_both)
    assert [len(stored(database, each)["spans"]) for each in (first, second)] == [1, 2]
    assert len(attempts) == 2
    other.close()


def _waits_for_a_lock(database: Database) -> bool:
    with database.read() as conn:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(conn.exec_driver_sql(waiting).scalar())


def test_a_trace_that_others_delete_meanwhile_is_written_anew(
    settings: Settings, database: Database
) -> None:
    """Nothing fails, and what was written last is there."""
    trace = new_id()
    others = [Database(settings, point_lookups=1) for _ in range(2)]

    def delete(number: int) -> None:
        with others[1].write() as conn:
            conn.exec_driver_sql("DELETE FROM trace_info")

    def log(number: int) -> None:
        make(others[0], logged(span(trace, number + 1)), started(trace))

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(log if number % 2 else delete, number) for number in range(60)]
        for each in work:
            each.result()
    make(database, logged(span(trace, 100)))
    assert stored(database, trace)["spans"][-1]["span_id"] == f"{100:016x}"
    for each in others:
        each.close()


@only_sqlite
@pytest.mark.parametrize(("others_wait", "rests"), [(True, True), (False, False)])
def test_traces_leave_time_to_others_that_wait(
    database: Database, monkeypatch: pytest.MonkeyPatch, others_wait: bool, rests: bool
) -> None:
    rested: list[float] = []
    monkeypatch.setattr("tandem_metadata.batching.batcher.time.sleep", rested.append)

    async def main() -> None:
        writer = TraceWriter(database, 10, MANY_BYTES, lambda: others_wait)
        await writer.log(logged(span(new_id())))
        await writer.aclose()

    asyncio.run(main())
    assert bool(rested) == rests
    assert all(0 < each <= 0.2 for each in rested)
