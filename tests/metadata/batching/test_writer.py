"""Group commit: calls of many clients in one transaction, each answered for itself."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, Engine, event, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tandem_metadata.batching.writer import Writer
from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import DirectConnection, Statements
from tandem_metadata.database.tables import tracking
from tandem_metadata.database.tables.logged_models import logged_model_metrics, logged_models
from tandem_metadata.messages.batch import LogBatch, LoggedEntry
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.messages.runs import CreateRun, Run, RunTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import load, log_entry, log_many, runs
from tandem_metadata.store.tracking.log_entry import LogEntry
from tandem_shared.errors import ApiError, InvalidParameter, NotFound, Unavailable
from tests.metadata.logging_client import log_to_run, new_run

Call = LogEntry | runs.NewRun


def _metric(run_id: str, key: str = "a", value: float = 1.0, step: int = 0) -> LogEntry:
    return log_entry.metric(run_id, LoggedMetric(key, value, 1, step))


def _many(run_id: str, **params: str) -> LogEntry:
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
        writer = Writer(database, 10)
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
        log_to_run(conn, _many(good, p="old"))
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

    def log(conn: Connection | DirectConnection) -> list[ApiError | None]:
        given = Noting(conn) if database.dialect == "postgresql" else conn
        return log_many.log_metrics(given, entries)

    listener = (
        Engine,
        "before_cursor_execute",
        lambda *a: statements.append(a[2]),
    )
    event.listen(*listener)
    errors = database.execute_autocommit(log)
    assert [type(error) for error in errors] == [type(None), InvalidParameter, NotFound, type(None)]
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


def _model(database: Database, model_id: str) -> str:
    with database.write() as conn:
        conn.execute(
            insert(logged_models).values(
                model_id=model_id,
                experiment_id=0,
                name=model_id,
                artifact_location="mlflow-artifacts:/0",
                creation_timestamp_ms=1,
                last_updated_timestamp_ms=1,
                status=2,
                lifecycle_stage="active",
            )
        )
    return model_id


def _of_model(run_id: str, model_id: str, value: float = 1.0, **params: str) -> LogEntry:
    metric = LoggedMetric("m", value, 1, 0, model_id=model_id)
    return LogEntry(run_id, metrics=[metric], params=params)


def _grouped() -> tuple[float, float]:
    """How many groups this process has committed, and how many calls in them."""
    names = ("tandem_db_group_calls_count", "tandem_db_group_calls_sum")
    count, calls = (REGISTRY.get_sample_value(name) or 0 for name in names)
    return count, calls


def test_writer_groups_renames_and_metrics_of_models_with_other_calls(
    database: Database, settings: Settings
) -> None:
    ids = [new_run(database) for _ in range(3)]
    model = _model(database, "m-1")
    names = [
        log_entry.tag(run_id, RunTag("mlflow.runName", f"new {run_id}"), truncate=True)
        for run_id in ids
    ]
    models = [_of_model(run_id, model, float(place)) for place, run_id in enumerate(ids)]
    calls: list[Call] = [*names, *models, _metric(ids[0]), _many(ids[1], p="1"), _new()]
    before = _grouped()
    outcomes = _together(database, settings, calls)
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    groups, grouped = (now - then for now, then in zip(_grouped(), before, strict=True))
    assert (groups, grouped) == (2, 1 + len(calls))  # the first call alone, and all others
    assert [_run(database, run_id).info.run_name for run_id in ids] == [f"new {i}" for i in ids]
    columns = logged_model_metrics.c
    with database.read() as conn:
        found = conn.execute(select(columns.run_id, columns.metric_value, columns.experiment_id))
        assert {tuple(row) for row in found} == {(i, float(p), 0) for p, i in enumerate(ids)}


def test_writer_tells_each_entry_what_its_model_refuses_and_logs_nothing_of_it(
    database: Database, settings: Settings
) -> None:
    stored, run_id = new_run(database), new_run(database)
    model = _model(database, "m-1")
    with database.write() as conn:
        log_to_run(conn, _of_model(stored, model))
    twice = [LoggedMetric("m", value, 1, 0, model_id=model) for value in (1.0, 2.0)]
    refused = {
        1: (_of_model(run_id, "m-2", unknown="1"), "m-2"),
        3: (_of_model(run_id, model, 2.0, contradicts_another="1"), "another value"),
        4: (_of_model(stored, model, 2.0, contradicts_stored="1"), "another value"),
        6: (LogEntry(new_run(database), metrics=twice), "another value"),
    }
    good: list[Call] = [
        _metric(run_id, "before"),
        _of_model(run_id, model, a="1"),
        _of_model(stored, model, b="1"),
        _many(run_id, c="1"),
    ]
    calls = [refused[place][0] if place in refused else good.pop(0) for place in range(8)]
    outcomes = _together(database, settings, calls)
    assert [place for place, outcome in enumerate(outcomes) if outcome] == [*refused]
    for place, (_, said) in refused.items():
        assert isinstance(outcomes[place], InvalidParameter)
        assert said in str(outcomes[place])
    with database.read() as conn:
        params = conn.execute(select(tracking.params.c.key)).scalars()
        assert sorted(params) == ["a", "b", "c"]
        of_runs = conn.execute(select(tracking.metrics.c.run_uuid, tracking.metrics.c.key))
        assert {tuple(row) for row in of_runs} == {(stored, "m"), (run_id, "m"), (run_id, "before")}


def test_writer_says_the_same_of_a_param_that_changes_in_a_group_and_in_the_database(
    database: Database, settings: Settings
) -> None:
    run_id = new_run(database)
    changed = _many(run_id, a="new", z="new", b="new")
    calls: list[Call] = [_many(run_id, z="old", a="x" * 300), changed]
    in_group = _together(database, settings, calls)[1]
    (stored,) = _together(database, settings, [changed])
    said = (
        f"Changing param values is not allowed. Already logged to run '{run_id}': 'a' is "
        f"'{'x' * 250}...', not 'new'; 'z' is 'old', not 'new'. Log to another key or another run."
    )
    assert [str(error) for error in (in_group, stored)] == [said, said]


def test_writer_takes_a_value_whose_contradiction_in_the_group_is_refused(
    database: Database, settings: Settings
) -> None:
    run_id = new_run(database)
    with database.write() as conn:
        log_to_run(conn, _many(run_id, stored="1"))
    calls: list[Call] = [_many(run_id, stored="2", p="of the refused"), _many(run_id, p="1")]
    outcomes = _together(database, settings, calls)
    assert [type(outcome) for outcome in outcomes] == [InvalidParameter, type(None)]
    params = {param.key: param.value for param in _run(database, run_id).data.params}
    assert params == {"stored": "1", "p": "1"}


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
        log(database, [LogEntry(run_id, metrics=entry.metrics) for entry in entries])
        left.append(_run(database, run_id).data)
    assert left[0] == left[1] == left[2]


def _by_group(database: Database, entries: Sequence[LogEntry]) -> None:
    with database.write() as conn:
        assert log_many.log(conn, entries) == [None] * len(entries)


def _at_once(database: Database, entries: Sequence[LogEntry]) -> None:
    assert log_many.only_metrics(entries)
    assert database.execute_autocommit(lambda conn: log_many.log_metrics(conn, entries)) == [
        None
    ] * len(entries)


def _one_by_one(database: Database, entries: Sequence[LogEntry]) -> None:
    for entry in entries:
        with database.write() as conn:
            log_to_run(conn, entry)


def test_a_group_stores_every_value_and_text_exactly(database: Database) -> None:
    run_id = new_run(database)
    values = {f"v{index}": value for index, value in enumerate(_VALUES)}
    texts = {f"t{index}": text for index, text in enumerate(_TEXTS)}
    entry = LogEntry(
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
