"""Group commit: calls of many clients in one transaction, each answered for itself."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, update
from sqlalchemy.exc import IntegrityError

from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.batching.writer import Writer
from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import DirectConnection, Statements
from tandem_metadata.database.tables import tracking
from tandem_metadata.messages.batch import LogBatch, LoggedEntry
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import CreateRun, Run, RunTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import load, log_entry, log_many, runs
from tandem_shared.errors import InvalidParameter, NotFound, Unavailable
from tests.metadata.logging_client import new_run

Call = log_entry.Entry | runs.NewRun


def _metric(run_id: str, key: str = "a", value: float = 1.0, step: int = 0) -> log_entry.Entry:
    return log_entry.metric(run_id, LoggedMetric(key, value, 1, step))


def _many(run_id: str, **params: str) -> log_entry.Entry:
    request = LogBatch(
        run_id,
        metrics=[LoggedMetric("m", 1.0, 1)],
        params=[LoggedEntry(key, value) for key, value in params.items()],
        tags=[LoggedEntry("t", "x")],
    )
    return log_entry.many(request, truncate=True)


def _new(experiment_id: str = "0", **fields: Any) -> runs.NewRun:
    return runs.new(CreateRun(experiment_id, **fields), truncate=True)


def _together(
    database: Database, settings: Settings, calls: Sequence[Call]
) -> list[Run | BaseException | None]:
    """The outcomes of calls that wait for the same transaction."""

    async def main() -> list[Run | BaseException | None]:
        threads = Threads(settings.pool_size, 10)
        writer = Writer(database, threads, 10)
        busy, go = threading.Event(), threading.Event()
        run_in_transaction = database.run_in_transaction

        def wait_first(function: Callable[[Connection], Any], *, point_lookup: bool = False) -> Any:
            busy.set()
            assert go.wait(10)
            return run_in_transaction(function, point_lookup=point_lookup)

        database.run_in_transaction = wait_first  # type: ignore[method-assign]
        tag = log_entry.tag(new_run(database), RunTag("first", "x"), truncate=True)
        first = asyncio.create_task(writer.log(tag))
        assert await asyncio.to_thread(busy.wait, 10)
        tasks = [
            asyncio.create_task(
                writer.create(call) if isinstance(call, runs.NewRun) else writer.log(call)
            )
            for call in calls
        ]
        await asyncio.sleep(0)
        database.run_in_transaction = run_in_transaction  # type: ignore[method-assign]
        go.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        await writer.aclose()
        await threads.aclose()
        return outcomes

    return asyncio.run(main())


@contextmanager
def _commits(database: Database) -> Iterator[list[int]]:
    """How many transactions were committed within."""
    counted: list[int] = []

    def count(_: object) -> None:
        counted.append(1)

    event.listen(Engine, "commit", count)
    yield counted
    event.remove(Engine, "commit", count)


def _run(database: Database, run_id: str) -> Run:
    with database.read() as conn:
        return load.get(conn, [run_id])[run_id]


def test_calls_that_wait_are_committed_together(database: Database, settings: Settings) -> None:
    ids = [new_run(database) for _ in range(3)]
    calls: list[Call] = [_metric(run_id, step=step) for run_id in ids for step in range(5)]
    calls += [_new(run_name="new", tags=[RunTag("k", "v")]), _many(ids[0], p="1")]
    with _commits(database) as commits:
        outcomes = _together(database, settings, calls)
    assert len(commits) - 1 == 2  # less the making of the first call's run: its own, and the rest
    created = outcomes.pop(-2)
    assert outcomes == [None] * len(outcomes)
    assert isinstance(created, Run)
    stored = _run(database, created.info.run_id)
    assert (stored.info, stored.data) == (created.info, created.data)
    for run_id in ids:
        latest = {metric.key: metric.step for metric in _run(database, run_id).data.metrics}
        assert latest["a"] == 4
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(tracking.metrics)).scalar() == 16


def test_each_call_that_fails_fails_alone(database: Database, settings: Settings) -> None:
    good, deleted = new_run(database), new_run(database)
    with database.write() as conn:
        log_entry.log(conn, _many(good, p="old"))
        where = tracking.runs.c.run_uuid == deleted
        conn.execute(update(tracking.runs).where(where).values(lifecycle_stage="deleted"))
    outcomes = _together(
        database,
        settings,
        [
            _metric(good, "before"),
            _metric("f" * 32),
            _metric(deleted),
            _many(good, p="new", q="1"),
            _many(good, r="1"),
            _new("12345"),
            _new("none"),
            _metric(good, "after"),
        ],
    )
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        NotFound,
        InvalidParameter,
        InvalidParameter,
        type(None),
        NotFound,
        InvalidParameter,
        type(None),
    ]
    data = _run(database, good).data
    assert {metric.key for metric in data.metrics} == {"before", "m", "after"}
    assert {param.key: param.value for param in data.params} == {"p": "old", "r": "1"}
    assert not _run(database, deleted).data.metrics


def test_metrics_alone_are_logged_by_one_statement_on_postgresql(
    database: Database, settings: Settings
) -> None:
    good, deleted = new_run(database), new_run(database)
    with database.write() as conn:
        where = tracking.runs.c.run_uuid == deleted
        conn.execute(update(tracking.runs).where(where).values(lifecycle_stage="deleted"))
    entries = [_metric(good, step=1), _metric(deleted), _metric("f" * 32), _metric(good, "b")]
    statements: list[str] = []

    class Noting:
        def __init__(self, conn: Statements) -> None:
            self.dialect = conn.dialect
            self._conn = conn

        def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Iterable[Any]:
            statements.append(statement)
            return self._conn.exec_driver_sql(statement, parameters)

    def log(conn: Connection | DirectConnection) -> set[int]:
        given = Noting(conn) if database.dialect == "postgresql" else conn
        return log_many.log_metrics(given, entries)

    listener = (
        Engine,
        "before_cursor_execute",
        lambda *a: statements.append(a[2]),
    )
    event.listen(*listener)
    assert database.execute_autocommit(log) == {1, 2}
    event.remove(*listener)
    assert len(statements) == (1 if database.dialect == "postgresql" else 4)
    assert [metric.step for metric in _run(database, good).data.metrics] == [1, 0]
    assert not _run(database, deleted).data.metrics
    outcomes = _together(database, settings, entries)
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        InvalidParameter,
        NotFound,
        type(None),
    ]


def test_of_two_values_of_a_param_in_one_group_the_first_wins(
    database: Database, settings: Settings
) -> None:
    run_id = new_run(database)
    calls = [_many(run_id, p="1"), _many(run_id, p="2", q="2"), _many(run_id, p="1")]
    outcomes = _together(database, settings, calls)
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidParameter, type(None)]
    params = {param.key: param.value for param in _run(database, run_id).data.params}
    assert params == {"p": "1"}


@pytest.mark.parametrize("prepared_uri", ["postgresql"], indirect=True)  # SQLite refuses no length
def test_a_row_that_the_database_refuses_costs_the_others_nothing(
    database: Database, settings: Settings
) -> None:
    with database.write() as conn:
        where = tracking.experiments.c.experiment_id == 0
        location = "mlflow-artifacts://" + "x" * 200
        conn.execute(update(tracking.experiments).where(where).values(artifact_location=location))
    run_id = new_run(database)
    outcomes = _together(database, settings, [_metric(run_id), _new(), _metric(run_id, "b")])
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidParameter, type(None)]
    assert [metric.key for metric in _run(database, run_id).data.metrics] == ["a", "b"]


_REFUSED = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON params WHEN NEW.key = 'refused' "
    "BEGIN SELECT RAISE(ABORT, 'refused'); END",
    "postgresql": "ALTER TABLE params ADD CHECK (key <> 'refused')",
}


@pytest.mark.parametrize("refused", [1, 2])
def test_calls_beside_one_that_the_database_refuses_stay_together(
    database: Database, settings: Settings, refused: int
) -> None:
    run_id = new_run(database)
    with database.write() as conn:
        conn.exec_driver_sql(_REFUSED[database.dialect])
    calls: list[Call] = [_many(run_id, **{f"p{number}": "1"}) for number in range(64)]
    places = [21, 50][:refused]
    for place in places:
        calls[place] = _many(run_id, refused="1")
    with _commits(database) as commits:
        outcomes = _together(database, settings, calls)
    # Halves and halves of them, until only the call at fault is left; and the first call's two.
    assert len(commits) - 2 <= 6 * refused
    assert [place for place, outcome in enumerate(outcomes) if outcome] == places
    assert all(isinstance(outcomes[place], IntegrityError) for place in places)
    stored = {param.key for param in _run(database, run_id).data.params}
    assert stored == {f"p{number}" for number in range(64) if number not in places}


def test_a_database_that_ceases_to_answer_is_tried_no_further_for_a_group(
    database: Database, settings: Settings
) -> None:
    with database.write() as conn:
        conn.exec_driver_sql(_REFUSED[database.dialect])
    calls: list[Call] = [_many(new_run(database), p="1") for _ in range(8)]
    calls[5] = _many(new_run(database), refused="1")
    run_in_transaction, tries = database.run_in_transaction, itertools.count(1)

    def cease(function: Callable[[Connection], Any], *, point_lookup: bool = False) -> Any:
        if next(tries) > 2:  # after the first call, and after all the others together
            raise Unavailable("gone")
        return run_in_transaction(function, point_lookup=point_lookup)

    database.run_in_transaction = cease  # type: ignore[method-assign]
    outcomes = _together(database, settings, calls)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 8
    assert next(tries) == 4


def test_a_rename_in_a_group_renames(database: Database, settings: Settings) -> None:
    run_id = new_run(database)
    calls = [
        log_entry.tag(run_id, RunTag("mlflow.runName", "second"), truncate=True),
        log_entry.tag(run_id, RunTag("mlflow.runName", ""), truncate=True),
        log_entry.tag(run_id, RunTag("other", "x"), truncate=True),
    ]
    assert _together(database, settings, calls) == [None] * 3
    run = _run(database, run_id)
    assert run.info.run_name == "second"
    assert {tag.key: tag.value for tag in run.data.tags} == {
        "mlflow.runName": "second",
        "other": "x",
    }


_VALUES = [0.0, -0.0, 0.1, 1e-320, 5e-324, 1.7976931348623157e308, 1e22, -123456789.123456789]
_TEXTS = ['"', "\\", '\\"', "{}", "a,b", "NULL", " ", "ä\u2028😀", "line\nbreak\ttab", "'%s%%'"]


@pytest.mark.parametrize(
    "order", [*itertools.permutations(range(4)), *itertools.product((0, 3), repeat=2)]
)
def test_a_group_leaves_what_single_calls_leave(database: Database, order: tuple[int, ...]) -> None:
    logged = [(9.0, 9, 1), (1.0, 1, 2), (1.0, 2, 2), (float("nan"), 2, 2)]
    entries = [
        log_entry.metric("", LoggedMetric("a", value, timestamp, step))
        for value, timestamp, step in (logged[index] for index in order)
    ]
    left = []
    for log in (_by_group, _at_once, _one_by_one):
        run_id = new_run(database)
        log(database, [log_entry.Entry(run_id, metrics=entry.metrics) for entry in entries])
        left.append(_run(database, run_id).data)
    assert left[0] == left[1] == left[2]


def _by_group(database: Database, entries: Sequence[log_entry.Entry]) -> None:
    with database.write() as conn:
        assert log_many.log(conn, entries) == set()


def _at_once(database: Database, entries: Sequence[log_entry.Entry]) -> None:
    assert log_many.only_metrics(entries)
    assert database.execute_autocommit(lambda conn: log_many.log_metrics(conn, entries)) == set()


def _one_by_one(database: Database, entries: Sequence[log_entry.Entry]) -> None:
    for entry in entries:
        with database.write() as conn:
            log_entry.log(conn, entry)


def test_a_group_stores_every_value_and_text_exactly(database: Database) -> None:
    run_id = new_run(database)
    values = {f"v{index}": value for index, value in enumerate(_VALUES)}
    texts = {f"t{index}": text for index, text in enumerate(_TEXTS)}
    entry = log_entry.Entry(
        run_id,
        metrics=[LoggedMetric(key, value, 2**62, -(2**62)) for key, value in values.items()],
        params=texts,
        tags=texts | {"": ""},
    )
    _by_group(database, [entry])
    data = _run(database, run_id).data
    assert {metric.key: metric.value for metric in data.metrics} == values
    assert {(metric.timestamp, metric.step) for metric in data.metrics} == {(2**62, -(2**62))}
    assert {param.key: param.value for param in data.params} == texts
    assert {tag.key: tag.value for tag in data.tags} == texts | {"": ""}
