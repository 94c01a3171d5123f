"""Entries logged together: each is told what is refused of it, and the others lose nothing."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.direct import DirectConnection, Statements
from tandem_metadata.database.tables import tracking
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.store.tracking import log_entry, log_many
from tandem_metadata.store.tracking.log_entry import LogEntry
from tandem_shared.errors import ApiError, InvalidParameter, NotFound
from tests.metadata.batching.groups import (
    Call,
    many,
    metric,
    new_model,
    of_model,
    stored_run,
    together,
)
from tests.metadata.logging_client import log_to_run, new_run


def test_metrics_alone_are_logged_by_one_statement_on_postgresql(database: Database) -> None:
    good, deleted = new_run(database), new_run(database)
    with database.write() as conn:
        where = tracking.runs.c.run_uuid == deleted
        conn.execute(update(tracking.runs).where(where).values(lifecycle_stage="deleted"))
    entries = [metric(good, step=1), metric(deleted), metric("f" * 32), metric(good, "b")]
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
    assert [metric.step for metric in stored_run(database, good).data.metrics] == [1, 0]
    assert not stored_run(database, deleted).data.metrics
    outcomes = together(database, entries)
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        InvalidParameter,
        NotFound,
        type(None),
    ]


def test_of_two_values_of_a_param_in_one_group_the_first_wins(database: Database) -> None:
    run_id = new_run(database)
    calls = [many(run_id, p="1"), many(run_id, p="2", q="2"), many(run_id, p="1")]
    outcomes = together(database, calls)
    assert [type(outcome) for outcome in outcomes] == [type(None), InvalidParameter, type(None)]
    params = {param.key: param.value for param in stored_run(database, run_id).data.params}
    assert params == {"p": "1"}


def test_writer_tells_each_entry_what_its_model_refuses_and_logs_nothing_of_it(
    database: Database,
) -> None:
    stored, run_id = new_run(database), new_run(database)
    model = new_model(database, "m-1")
    with database.write() as conn:
        log_to_run(conn, of_model(stored, model))
    twice = [LoggedMetric("m", value, 1, 0, model_id=model) for value in (1.0, 2.0)]
    refused = {
        1: (of_model(run_id, "m-2", unknown="1"), "m-2"),
        3: (of_model(run_id, model, 2.0, contradicts_another="1"), "another value"),
        4: (of_model(stored, model, 2.0, contradicts_stored="1"), "another value"),
        6: (LogEntry(new_run(database), metrics=twice), "another value"),
    }
    good: list[Call] = [
        metric(run_id, "before"),
        of_model(run_id, model, a="1"),
        of_model(stored, model, b="1"),
        many(run_id, c="1"),
    ]
    calls = [refused[place][0] if place in refused else good.pop(0) for place in range(8)]
    outcomes = together(database, calls)
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
    database: Database,
) -> None:
    run_id = new_run(database)
    changed = many(run_id, a="new", z="new", b="new")
    calls: list[Call] = [many(run_id, z="old", a="x" * 300), changed]
    in_group = together(database, calls)[1]
    (stored,) = together(database, [changed])
    said = (
        f"Changing param values is not allowed. Params were already logged to run '{run_id}': 'a' "
        f"is '{'x' * 250}...', not 'new'; 'z' is 'old', not 'new'. Log to another key or another "
        "run."
    )
    assert [str(error) for error in (in_group, stored)] == [said, said]


def test_writer_takes_a_value_whose_contradiction_in_the_group_is_refused(
    database: Database,
) -> None:
    run_id = new_run(database)
    with database.write() as conn:
        log_to_run(conn, many(run_id, stored="1"))
    calls: list[Call] = [many(run_id, stored="2", p="of the refused"), many(run_id, p="1")]
    outcomes = together(database, calls)
    assert [type(outcome) for outcome in outcomes] == [InvalidParameter, type(None)]
    params = {param.key: param.value for param in stored_run(database, run_id).data.params}
    assert params == {"stored": "1", "p": "1"}


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
        left.append(stored_run(database, run_id).data)
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
    data = stored_run(database, run_id).data
    assert {metric.key: metric.value for metric in data.metrics} == values
    assert {(metric.timestamp, metric.step) for metric in data.metrics} == {(2**62, -(2**62))}
    assert {param.key: param.value for param in data.params} == texts
    assert {tag.key: tag.value for tag in data.tags} == texts | {"": ""}
