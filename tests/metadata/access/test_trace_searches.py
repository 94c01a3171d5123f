"""Searches of traces tell nothing of what their sender may not read."""

import pytest

from tests.metadata.access.conftest import only_sqlite
from tests.metadata.guarded import Guarded
from tests.metadata.traces import rows

pytestmark = only_sqlite

_TRACE = f"tr-{1:032x}"
_V3 = "/api/3.0/mlflow/traces/search"
_V2 = "/api/2.0/mlflow/traces"
_TELLING = [
    ({"filter": "feedback.score > 0.5"}, "assessment"),
    ({"filter": "NOT (status = 'OK' OR expectation.answer = 'x')"}, "assessment"),
    ({"filter": "issue.id = 'i'"}, "assessment"),
    ({"filter": "run_id = 'r'"}, "run"),
    ({"filter": "metadata.`mlflow.sourceRun` LIKE 'a%'"}, "run"),
    ({"order_by": ["run_id DESC"]}, "run"),
    ({"filter": "request_metadata.mlflow.modelId = 'm'"}, "logged_model"),
    ({"order_by": ["metadata.`mlflow.modelId`"]}, "logged_model"),
]
"""What is asked for, and what it tells of."""


@pytest.fixture
def mine(service: Guarded) -> str:
    """An experiment with a trace that has assessments and links."""
    experiment = service.experiment("mine")
    with service.database.write() as conn:
        rows.trace(
            conn,
            _TRACE,
            experiment_id=int(experiment),
            metadata={"mlflow.sourceRun": "r", "mlflow.modelId": "m"},
        )
        rows.assessment(conn, _TRACE, "score", 0.7)
    return experiment


def _in(*experiments: str) -> list[dict[str, dict[str, str]]]:
    return [{"mlflow_experiment": {"experiment_id": each}} for each in experiments]


def test_traces_are_found_in_readable_experiments(service: Guarded, mine: str) -> None:
    service.user("ann", ("experiment", mine, "READ"))
    for found in (
        service.call("ann", "POST", _V3, locations=_in(mine)),
        service.call("ann", "GET", _V2, experiment_ids=[mine]),
    ):
        assert len(found["traces"]) == 1


def test_a_search_that_names_an_unreadable_experiment_is_refused(
    service: Guarded, mine: str
) -> None:
    theirs = service.experiment("theirs")
    service.user("ann", ("experiment", mine, "READ"))
    for experiments in ([theirs], [mine, theirs], ["77"]):
        for message in (
            service.refusal("ann", "POST", _V3, locations=_in(*experiments)),
            service.refusal("ann", "GET", _V2, experiment_ids=experiments),
        ):
            assert f"READ on traces of experiment {experiments[-1]}" in message


def test_a_search_of_denied_traces_is_refused(service: Guarded, mine: str) -> None:
    service.user("ann", ("experiment", mine, "READ"), ("trace", "*", "DENY"))
    service.refusal("ann", "POST", _V3, locations=_in(mine))


@pytest.mark.parametrize(("asked", "kind"), _TELLING)
def test_a_search_by_what_is_denied_is_refused(
    service: Guarded, mine: str, asked: dict[str, object], kind: str
) -> None:
    service.user("ann", ("experiment", mine, "READ"))
    service.user("bob", ("experiment", mine, "READ"), (kind, "*", "DENY"))
    service.call("ann", "POST", _V3, locations=_in(mine), **asked)
    service.refusal("bob", "POST", _V3, locations=_in(mine), **asked)
    service.call("bob", "POST", _V3, locations=_in(mine), filter="status = 'OK'")


def test_found_traces_have_no_links_that_are_denied(service: Guarded, mine: str) -> None:
    service.user("ann", ("experiment", mine, "READ"), ("run", "*", "DENY"))
    (info,) = service.call("ann", "POST", _V3, locations=_in(mine))["traces"]
    assert info["trace_metadata"] == {"mlflow.modelId": "m"}
    (old,) = service.call("ann", "GET", _V2, experiment_ids=[mine])["traces"]
    assert [each["key"] for each in old["request_metadata"]] == ["mlflow.modelId"]
