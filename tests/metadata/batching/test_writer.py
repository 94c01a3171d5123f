"""Group commit: calls of many clients in one transaction, each answered for itself."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import IntegrityError

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.database.tables.logged_models import logged_model_metrics
from tandem_metadata.messages.runs import Run, RunTag
from tandem_metadata.store.tracking import log_entry
from tandem_shared.errors import InvalidParameter, NotFound, Unavailable
from tests.metadata.batching.groups import (
    Call,
    count_commits,
    creation,
    many,
    metric,
    new_model,
    of_model,
    stored_run,
    together,
)
from tests.metadata.logging_client import log_to_run, new_run


def test_calls_that_wait_are_committed_together(database: Database) -> None:
    ids = [new_run(database) for _ in range(3)]
    calls: list[Call] = [metric(run_id, step=step) for run_id in ids for step in range(5)]
    calls += [creation(run_name="new", tags=[RunTag("k", "v")]), many(ids[0], p="1")]
    with count_commits(database) as commits:
        outcomes = together(database, calls)
    assert len(commits) - 1 == 2  # less the making of the first call's run: its own, and the rest
    created = outcomes.pop(-2)
    assert outcomes == [None] * len(outcomes)
    assert isinstance(created, Run)
    stored = stored_run(database, created.info.run_id)
    assert (stored.info, stored.data) == (created.info, created.data)
    for run_id in ids:
        latest = {metric.key: metric.step for metric in stored_run(database, run_id).data.metrics}
        assert latest["a"] == 4
    with database.read() as conn:
        assert conn.execute(select(func.count()).select_from(tracking.metrics)).scalar() == 16


def test_each_call_that_fails_fails_alone(database: Database) -> None:
    good, deleted = new_run(database), new_run(database)
    with database.write() as conn:
        log_to_run(conn, many(good, p="old"))
        where = tracking.runs.c.run_uuid == deleted
        conn.execute(update(tracking.runs).where(where).values(lifecycle_stage="deleted"))
    outcomes = together(
        database,
        [
            metric(good, "before"),
            metric("f" * 32),
            metric(deleted),
            many(good, p="new", q="1"),
            many(good, r="1"),
            creation("12345"),
            creation("none"),
            metric(good, "after"),
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
    data = stored_run(database, good).data
    assert {metric.key for metric in data.metrics} == {"before", "m", "after"}
    assert {param.key: param.value for param in data.params} == {"p": "old", "r": "1"}
    assert not stored_run(database, deleted).data.metrics


def _grouped() -> tuple[float, float]:
    """How many groups this process has committed, and how many calls in them."""
    names = ("tandem_db_group_calls_count", "tandem_db_group_calls_sum")
    count, calls = (REGISTRY.get_sample_value(name) or 0 for name in names)
    return count, calls


def test_writer_groups_renames_and_metrics_of_models_with_other_calls(database: Database) -> None:
    ids = [new_run(database) for _ in range(3)]
    model = new_model(database, "m-1")
    names = [
        log_entry.tag(run_id, RunTag("mlflow.runName", f"new {run_id}"), truncate=True)
        for run_id in ids
    ]
    models = [of_model(run_id, model, float(place)) for place, run_id in enumerate(ids)]
    calls: list[Call] = [*names, *models, metric(ids[0]), many(ids[1], p="1"), creation()]
    before = _grouped()
    outcomes = together(database, calls)
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    groups, grouped = (now - then for now, then in zip(_grouped(), before, strict=True))
    assert (groups, grouped) == (2, 1 + len(calls))  # the first call alone, and all others
    assert [stored_run(database, run_id).info.run_name for run_id in ids] == [
        f"new {i}" for i in ids
    ]
    columns = logged_model_metrics.c
    with database.read() as conn:
        found = conn.execute(select(columns.run_id, columns.metric_value, columns.experiment_id))
        assert {tuple(row) for row in found} == {(i, float(p), 0) for p, i in enumerate(ids)}


@pytest.mark.parametrize("prepared_uri", ["postgresql"], indirect=True)  # SQLite refuses no length
def test_a_row_that_the_database_refuses_costs_the_others_nothing(database: Database) -> None:
    with database.write() as conn:
        where = tracking.experiments.c.experiment_id == 0
        location = "mlflow-artifacts://" + "x" * 200
        conn.execute(update(tracking.experiments).where(where).values(artifact_location=location))
    run_id = new_run(database)
    outcomes = together(database, [metric(run_id), creation(), metric(run_id, "b")])
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidParameter, type(None)]
    assert [metric.key for metric in stored_run(database, run_id).data.metrics] == ["a", "b"]


_REFUSED = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON params WHEN NEW.key = 'refused' "
    "BEGIN SELECT RAISE(ABORT, 'refused'); END",
    "postgresql": "ALTER TABLE params ADD CHECK (key <> 'refused')",
}


@pytest.mark.parametrize("refused", [1, 2])
def test_calls_beside_one_that_the_database_refuses_stay_together(
    database: Database, refused: int
) -> None:
    run_id = new_run(database)
    with database.write() as conn:
        conn.exec_driver_sql(_REFUSED[database.dialect])
    calls: list[Call] = [many(run_id, **{f"p{number}": "1"}) for number in range(64)]
    places = [21, 50][:refused]
    for place in places:
        calls[place] = many(run_id, refused="1")
    with count_commits(database) as commits:
        outcomes = together(database, calls)
    # Halves and halves of them, until only the call at fault is left; and the first call's two.
    assert len(commits) - 2 <= 6 * refused
    assert [place for place, outcome in enumerate(outcomes) if outcome] == places
    assert all(isinstance(outcomes[place], IntegrityError) for place in places)
    stored = {param.key for param in stored_run(database, run_id).data.params}
    assert stored == {f"p{number}" for number in range(64) if number not in places}


def test_a_database_that_ceases_to_answer_is_tried_no_further_for_a_group(
    database: Database,
) -> None:
    with database.write() as conn:
        conn.exec_driver_sql(_REFUSED[database.dialect])
    calls: list[Call] = [many(new_run(database), p="1") for _ in range(8)]
    calls[5] = many(new_run(database), refused="1")
    run_in_transaction, tries = database.run_in_transaction, itertools.count(1)

    def cease(function: Callable[[Connection], Any], *, point_lookup: bool = False) -> Any:
        if next(tries) > 2:  # after the first call, and after all the others together
            raise Unavailable("gone")
        return run_in_transaction(function, point_lookup=point_lookup)

    database.run_in_transaction = cease  # type: ignore[method-assign]
    outcomes = together(database, calls)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 8
    assert next(tries) == 4


def test_a_rename_in_a_group_renames(database: Database) -> None:
    run_id = new_run(database)
    calls = [
        log_entry.tag(run_id, RunTag("mlflow.runName", "second"), truncate=True),
        log_entry.tag(run_id, RunTag("mlflow.runName", ""), truncate=True),
        log_entry.tag(run_id, RunTag("other", "x"), truncate=True),
    ]
    assert together(database, calls) == [None] * 3
    run = stored_run(database, run_id)
    assert run.info.run_name == "second"
    assert {tag.key: tag.value for tag in run.data.tags} == {
        "mlflow.runName": "second",
        "other": "x",
    }
