"""Metrics of traces tell nothing of what their reader may not read."""

from typing import Any

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import Guarded
from tests.metadata.traces import rows

pytestmark = only_sqlite

_PATH = "/ajax-api/3.0/mlflow/traces/metrics"
_COUNT = {
    "view_type": "TRACES",
    "metric_name": "trace_count",
    "aggregations": [{"aggregation_type": "COUNT"}],
}
_ASSESSED = {**_COUNT, "view_type": 3, "metric_name": "assessment_count"}


@pytest.fixture
def mine(service: Guarded) -> str:
    """An experiment with a trace that has an assessment."""
    experiment = service.experiment("mine")
    trace_id = f"tr-{1:032x}"
    with service.database.write() as conn:
        rows.trace(conn, trace_id, experiment_id=int(experiment))
        rows.assessment(conn, trace_id, "score", 0.7)
    return experiment


def _counted(found: Any) -> float:
    (point,) = found["data_points"]
    return float(point["values"]["COUNT"])


@pytest.mark.parametrize("question", [_COUNT, _ASSESSED])
def test_what_is_readable_is_counted(service: Guarded, mine: str, question: dict[str, Any]) -> None:
    service.user("ann", ("experiment", mine, "READ"))
    assert _counted(service.call("ann", "POST", _PATH, experiment_ids=[mine], **question)) == 1


def test_a_question_that_names_an_unreadable_experiment_is_refused(
    service: Guarded, mine: str
) -> None:
    theirs = service.experiment("theirs")
    service.user("ann", ("experiment", mine, "READ"))
    for experiments in ([theirs], [mine, theirs], ["77"]):
        message = service.refusal("ann", "POST", _PATH, experiment_ids=experiments, **_COUNT)
        assert f"READ on traces of experiment {experiments[-1]}" in message


@pytest.mark.parametrize("kind", ["trace", "assessment"])
def test_assessments_are_counted_for_who_may_read_both(
    service: Guarded, mine: str, kind: str
) -> None:
    service.user("ann", ("experiment", mine, "READ"), (kind, "*", "DENY"))
    service.refusal("ann", "POST", _PATH, experiment_ids=[mine], **_ASSESSED)
    if kind == "assessment":
        assert _counted(service.call("ann", "POST", _PATH, experiment_ids=[mine], **_COUNT)) == 1


def test_traces_of_a_run_are_counted_for_who_may_read_runs(service: Guarded, mine: str) -> None:
    service.user("ann", ("experiment", mine, "READ"))
    service.user("bob", ("experiment", mine, "READ"), ("run", "*", "DENY"))
    asked = {**_COUNT, "filters": ['trace.metadata.`mlflow.sourceRun` = "r"']}
    assert _counted(service.call("ann", "POST", _PATH, experiment_ids=[mine], **asked)) == 0
    service.refusal("bob", "POST", _PATH, experiment_ids=[mine], **asked)
