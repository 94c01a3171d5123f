"""Assessments whose values are numbers that no double holds, sent, and stored by others."""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tandem_metadata.database import trace_schema
from tandem_metadata.routes import trace_metrics, trace_search
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tests.metadata import in_process
from tests.metadata.api import INVALID
from tests.metadata.traces.assessing import HUMAN, Assessing

_TEXTS = {
    "word": "NaN",
    "minus": "-Infinity",
    "exponent": "1e400",
    "integer": "-" + "9" * 309,
    "long": "9" * 4_300,
    "longer": "9" * 4_301,
    "nested longer": f"[{'9' * 4_301}]",
}
_KEPT = {
    "nested": '{"a": [1, {"b": NaN}]}',
    "nested exponent": "[[-1e400]]",
    "nested integer": f"[{'9' * 309}]",
}
_REFUSED = pytest.mark.parametrize("text", _TEXTS.values(), ids=_TEXTS)
_EACH = pytest.mark.parametrize("text", [*_TEXTS.values(), *_KEPT.values()], ids=[*_TEXTS, *_KEPT])


def _expectation(text: str) -> dict[str, Any]:
    written = {"serialization_format": "JSON_FORMAT", "value": text}
    return {"assessment_name": "n", "source": HUMAN, "expectation": {"serialized_value": written}}


@_REFUSED
def test_serialized_numbers_that_no_double_holds_are_refused(
    assessing: Assessing, text: str
) -> None:
    status, answer = assessing.request("POST", assessment=_expectation(text))
    assert (status, answer["error_code"]) == INVALID
    assert "'assessment.expectation.serialized_value.value'" in answer["message"]
    assert "a number that is not finite" in answer["message"]
    status, answer = assessing.start(_expectation(text))
    assert (status, answer["error_code"]) == INVALID
    assert "expectation.serialized_value.value'" in answer["message"]
    assert assessing.of_info() == []


@pytest.mark.parametrize("text", _KEPT.values(), ids=_KEPT)
def test_lists_and_objects_keep_what_python_writes(assessing: Assessing, text: str) -> None:
    """As with MLflow, whose client serializes them: one NaN must not cost a whole trace."""
    answer = assessing.assess(**_expectation(text))
    [shown] = assessing.of_info()
    assert shown["assessment_id"] == answer["assessment_id"]
    kept = json.loads(shown["expectation"]["serialized_value"]["value"])
    assert repr(kept) == repr(json.loads(text))


def test_a_serialized_value_that_is_nested_deeply_is_refused(assessing: Assessing) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    status, answer = assessing.request("POST", assessment=_expectation(deep))
    assert (status, answer["error_code"]) == INVALID
    assert "nested" in answer["message"]


@pytest.mark.parametrize("kind", ["feedback", "expectation"])
@_EACH
def test_whatever_is_stored_is_shown_and_searched(
    assessing: Assessing, written_settings: Settings, kind: str, text: str
) -> None:
    made = assessing.assess(**{kind: {"value": 1}})
    _store(assessing, made["assessment_id"], text)
    shown = assessing.get(made["assessment_id"])
    assert shown[kind]
    assert assessing.of_info() == [shown]
    context = Context(written_settings, assessing.database)
    http = in_process.client(
        context, [*bind(context, trace_search.ENDPOINTS), *bind(context, trace_metrics.ENDPOINTS)]
    )
    mine = f"request_id = '{assessing.trace_id}'"
    for wanted in ("", f" AND {kind}.a IS NOT NULL", f" AND {kind}.a != 'x'"):
        assert _found(http, mine + wanted) == [assessing.trace_id], wanted
    for wanted in ("> 1e300", f"< {'9' * 400}", f"= {'9' * 309!r}"):
        _found(http, f"{kind}.a {wanted}")
        _found(http, f"NOT {kind}.a {wanted}")
    answer = http.post(
        "/api/3.0/mlflow/traces/metrics",
        json={
            "experiment_ids": ["0"],
            "view_type": "ASSESSMENTS",
            "metric_name": "assessment_value",
            "aggregations": [{"aggregation_type": "AVG"}],
        },
    )
    assert answer.status_code == 200, answer.text


def test_a_value_that_is_nested_deeply_is_shown_as_its_text(assessing: Assessing) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    made = assessing.assess(feedback={"value": 1})
    _store(assessing, made["assessment_id"], deep)
    assert assessing.get(made["assessment_id"])["feedback"] == {"value": deep}


def _store(assessing: Assessing, assessment_id: str, text: str) -> None:
    with assessing.database.write() as conn:
        table = trace_schema.of(conn).assessments
        chosen = update(table).where(table.c.assessment_id == assessment_id)
        conn.execute(chosen.values(value=text))


def _found(http: httpx.Client, wanted: str) -> list[str]:
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    given = {"locations": [location], "filter": wanted, "max_results": 500}
    answer = http.post("/api/3.0/mlflow/traces/search", json=given)
    assert answer.status_code == 200, answer.text
    return [each["trace_id"] for each in json.loads(answer.text).get("traces", [])]
