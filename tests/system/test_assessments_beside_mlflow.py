"""The same assessments asked of MLflow's own server and of Tandem, over one database."""

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
from sqlalchemy import create_engine, text

from tests.system.beside_mlflow import Beside

_V3: Final = "/api/3.0/mlflow/traces"
_SOURCE: Final = {"source_type": "HUMAN", "source_id": "bob"}
_RUN: Final = "mlflow.assessment.sourceRunId"
_ERROR: Final = {"error_code": "E", "error_message": "m", "stack_trace": "s" * 20_000}
_LIST: Final = {"serialization_format": "JSON_FORMAT", "value": '{"b":["é",1,2.50],"a":null}'}

NEW: Final[dict[str, dict[str, Any]]] = {
    "true": {"feedback": {"value": True}},
    "number": {"feedback": {"value": 5}, "metadata": {"é": "ü", _RUN: "r" * 32}},
    "fraction": {"feedback": {"value": 1e-7}},
    "yes": {"feedback": {"value": " Yes "}, "rationale": "", "span_id": "", "metadata": {}},
    "nested": {"feedback": {"value": [1, {"x": [2, None, "é"]}, True]}, "rationale": "r"},
    "nothing": {"feedback": {}, "span_id": "23a2227a9de9e160"},
    "error": {"feedback": {"error": _ERROR}},
    "no-code": {"feedback": {"value": 1, "error": {}}},
    "expected": {"expectation": {"value": "Paris"}},
    "expected-number": {"expectation": {"value": 5}},
    "expected-list": {"expectation": {"value": [1, "x"]}},
    "expected-text": {"expectation": {"serialized_value": _LIST}},
    "expected-5": {"expectation": {"serialized_value": {**_LIST, "value": "5"}}},
    "issue": {"issue": {"issue_name": "slow"}},
    "unnamed-issue": {"issue": {}},
    "camel": {"feedback": {"value": 1}, "assessmentName": "camel", "source": {"sourceType": 2}},
    "nobody": {"feedback": {"value": 1}, "source": None},
    "unknown-source": {"feedback": {"value": 1}, "source": {"source_type": "NOPE"}},
    "times": {
        "feedback": {"value": 1},
        "create_time": "2026-11-28T16:57:43.6975Z",
        "last_update_time": "2020-01-01T00:00:00+01:00",
        "trace_id": "another",
    },
}
"""Assessments that both servers make."""

CHANGES: Final[dict[str, tuple[str, list[tuple[str, dict[str, Any]]]]]] = {
    "feedback": ("error", [("feedback", {"feedback": {"value": "no"}})]),
    "names": (
        "number",
        [
            ("assessmentName,rationale", {"assessment_name": "other", "rationale": "why"}),
            ("rationale", {"rationale": ""}),
            ("metadata", {"metadata": {"k": "v", "é": "2"}}),
            ("feedback,metadata", {"feedback": {"value": [True]}, "metadata": {}}),
        ],
    ),
    "expectation": (
        "expected",
        [
            ("expectation", {"expectation": {"serialized_value": _LIST}}),
            ("expectation", {"expectation": {"value": 0}}),
        ],
    ),
}
"""Assessments of `NEW`, and what is changed of them, one after the other."""

REFUSED: Final[dict[str, Any]] = {
    "no-assessment": {},
    "no-kind": {"assessment": {"assessment_name": "a"}},
    "no-expectation": {"assessment": {"expectation": {}}},
    "no-format": {"assessment": {"expectation": {"serialized_value": {"value": "5"}}}},
    "overrides-nothing": {"assessment": {"feedback": {"value": 1}, "overrides": "a-none"}},
}


class Both:
    """Two servers over one database, and traces of one experiment."""

    def __init__(self, beside: Beside) -> None:
        self.urls = beside.urls
        self._engine = create_engine(beside.address)

    def close(self) -> None:
        self._engine.dispose()

    def trace(self) -> str:
        """A new trace, made by MLflow's server."""
        trace_id = f"tr-{uuid.uuid4().hex}"
        location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
        info = {
            "trace_id": trace_id,
            "trace_location": location,
            "request_time": "2026-11-28T16:57:43.697Z",
            "state": "OK",
        }
        self.ok("mlflow", "POST", "", trace={"trace_info": info})
        return trace_id

    def ask(self, server: str, method: str, path: str, **body: Any) -> requests.Response:
        url = path if path.startswith("/api") else _V3 + path
        return requests.request(method, self.urls[server] + url, json=body or None, timeout=60)

    def ok(self, server: str, method: str, path: str, **body: Any) -> Any:
        answer = self.ask(server, method, path, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def assess(self, server: str, trace_id: str, given: dict[str, Any]) -> Any:
        whole = {"assessment_name": "a", "source": _SOURCE, **given}
        if "assessmentName" in given:
            del whole["assessment_name"]
        answer = self.ok(server, "POST", f"/{trace_id}/assessments", assessment=whole)
        return answer["assessment"]

    def row(self, assessment_id: str) -> dict[str, Any]:
        """What is stored, but for the id and the trace's."""
        statement = text("SELECT * FROM assessments WHERE assessment_id = :id")
        with self._engine.connect() as conn:
            row = dict(conn.execute(statement, {"id": assessment_id}).mappings().one())
        del row["assessment_id"], row["trace_id"]
        return row


@pytest.fixture(scope="module")
def both(beside: Beside) -> Iterator[Both]:
    made = Both(beside)
    yield made
    made.close()


def _lasting(shown: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """An answer, or a row, without what differs each time: ids, and times that are not given."""
    left = {key: value for key, value in shown.items() if key not in ("assessment_id", "trace_id")}
    if "create_time" not in given:
        for key in ("create_time", "created_timestamp"):
            left.pop(key, None)
        for key in ("last_update_time", "last_updated_timestamp"):
            left.pop(key, None)
    if "error" in left.get("feedback", {}):
        # Long stacks begin with a sentence of each server's own.
        stack = left["feedback"]["error"].get("stack_trace", "")
        left["feedback"]["error"]["stack_trace"] = (len(stack), stack[-1000:])
    for key in ("assessment_metadata", "error"):
        if isinstance(left.get(key), str):
            left[key] = json.loads(left[key])
    return left


@pytest.mark.parametrize("name", NEW)
def test_both_answer_and_store_the_same(both: Both, name: str) -> None:
    trace_id, given = both.trace(), NEW[name]
    made = {server: both.assess(server, trace_id, given) for server in both.urls}
    answers = [_lasting(each, given) for each in made.values()]
    assert answers[0] == answers[1]
    rows = [_lasting(both.row(each["assessment_id"]), given) for each in made.values()]
    assert rows[0] == rows[1]
    assert rows[0]["experiment_id"] == 0
    for each in made.values():
        path = f"/{trace_id}/assessments/{each['assessment_id']}"
        found = [both.ok(server, "GET", path)["assessment"] for server in both.urls]
        assert _lasting(found[0], given) == _lasting(found[1], given)
        assert found[1]["create_time"] == each["create_time"]


@pytest.mark.parametrize("name", CHANGES)
def test_both_change_the_same(both: Both, name: str) -> None:
    trace_id, (first, changes) = both.trace(), CHANGES[name]
    made = {server: both.assess(server, trace_id, NEW[first]) for server in both.urls}
    for mask, fields in changes:
        answers, rows = [], []
        for server, each in made.items():
            path = f"/{trace_id}/assessments/{each['assessment_id']}"
            answer = both.ok(server, "PATCH", path, assessment=fields, update_mask=mask)
            answers.append(_lasting(answer["assessment"], {}))
            rows.append(_lasting(both.row(each["assessment_id"]), {}))
        assert answers[0] == answers[1]
        assert rows[0] == rows[1]


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse_the_same(both: Both, name: str) -> None:
    trace_id = both.trace()
    answers = [
        both.ask(server, "POST", f"/{trace_id}/assessments", **REFUSED[name])
        for server in both.urls
    ]
    codes = [(each.status_code, each.json()["error_code"]) for each in answers]
    assert codes[0] == codes[1]


def test_both_refuse_what_does_not_exist(both: Both) -> None:
    trace_id = both.trace()
    change = {"assessment": {"rationale": "x"}, "update_mask": "rationale"}
    for method, path, body in (
        ("POST", "/tr-nobody/assessments", {"assessment": {"feedback": {"value": 1}}}),
        ("GET", "/tr-nobody/assessments/a", {}),
        ("GET", f"/{trace_id}/assessments/a", {}),
        ("PATCH", f"/{trace_id}/assessments/a", change),
        ("DELETE", "/tr-nobody/assessments/a", {}),
        ("DELETE", f"/{trace_id}/assessments/a", {}),
    ):
        answers = [both.ask(server, method, path, **body) for server in both.urls]
        codes = [(each.status_code, each.json().get("error_code")) for each in answers]
        assert codes[0] == codes[1]


@pytest.mark.parametrize("makes", ["mlflow", "tandem"])
def test_each_goes_on_with_what_the_other_has_overridden(both: Both, makes: str) -> None:
    [ends] = both.urls.keys() - {makes}
    trace_id = both.trace()
    first = both.assess(makes, trace_id, NEW["true"])["assessment_id"]
    second = both.assess(makes, trace_id, {**NEW["yes"], "overrides": first})["assessment_id"]
    for expected in ({first: False, second: True}, {first: True}):
        for server in both.urls:
            info = both.ok(server, "GET", f"/{trace_id}")["trace"]["trace_info"]
            found = {each["assessment_id"]: each["valid"] for each in info["assessments"]}
            assert found == expected
        if len(expected) == 2:
            both.ok(ends, "DELETE", f"/{trace_id}/assessments/{second}")


@pytest.mark.parametrize("makes", ["mlflow", "tandem"])
@pytest.mark.parametrize("ends", ["mlflow", "tandem"])
def test_a_run_that_is_deleted_takes_its_assessments_along(
    both: Both, makes: str, ends: str
) -> None:
    trace_id = both.trace()
    runs = "/api/2.0/mlflow/runs"
    run = both.ok(makes, "POST", f"{runs}/create", experiment_id="0")["run"]["info"]["run_id"]
    both.assess(makes, trace_id, {"feedback": {"value": 1}, "metadata": {_RUN: run, "a": "b"}})
    kept = both.assess(makes, trace_id, {"feedback": {"value": 2}, "metadata": {"run": run}})
    both.ok(ends, "POST", f"{runs}/delete", run_id=run)
    for server in both.urls:
        info = both.ok(server, "GET", f"/{trace_id}")["trace"]["trace_info"]
        assert [each["assessment_id"] for each in info["assessments"]] == [kept["assessment_id"]]


@pytest.mark.parametrize("makes", ["mlflow", "tandem"])
def test_a_trace_starts_with_assessments(both: Both, makes: str) -> None:
    trace_id = both.trace()
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    given = [
        {"assessment_name": name, "source": _SOURCE, **NEW[name]}
        for name in ("true", "nested", "expected-text", "error")
    ]
    info = {
        "trace_id": trace_id,
        "trace_location": location,
        "request_time": "2026-11-28T16:57:44Z",
        "state": "OK",
        "assessments": given,
    }
    both.ok(makes, "POST", "", trace={"trace_info": info})
    found = []
    for server in both.urls:
        shown = both.ok(server, "GET", f"/{trace_id}")["trace"]["trace_info"]["assessments"]
        found.append({each["assessment_name"]: _lasting(each, {}) for each in shown})
        for each in shown:
            row = both.row(each["assessment_id"])
            assert row["trace_timestamp_ms"] == 1_795_885_064_000
    assert found[0] == found[1]
    assert len(found[0]) == len(given)
