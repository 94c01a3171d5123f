"""Traces of all kinds, and what answers say of them."""

import json
from typing import Any, Final

from sqlalchemy import Connection

from tests.metadata.traces import rows

FULL: Final = f"tr-{1:032x}"
"""With everything that a trace can have."""
BARE: Final = f"tr-{2:032x}"
"""With nothing that a trace need not have."""
WAITING: Final = f"tr-{3:032x}"
"""Of which two of three spans are there."""
ELSEWHERE: Final = f"{4:032x}"
"""Of a client of MLflow 2, whose spans are in a file."""
ARCHIVED: Final = f"tr-{5:032x}"
"""Whose spans MLflow's server has put elsewhere."""
LONG: Final = f"tr-{6:032x}"
"""With values longer than answers have them; it lies in experiment 2."""

USAGE: Final = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
COSTS: Final = {"input_cost": 0.1, "output_cost": 0.25, "total_cost": 0.35}
LOCATION: Final = "mlflow-artifacts:/e/traces/{}/artifacts"


def fill(conn: Connection, *, odd: bool = True) -> None:
    """Write the traces; without `odd`, none of the assessments at which MLflow's server fails."""
    for number in (1, 2):
        rows.experiment(conn, number)
    rows.trace(
        conn,
        FULL,
        client_request_id="creq-1",
        request_preview='{"q": "Grüße"}',
        response_preview="",
        tags={
            rows.NAME: "agent",
            "k": "v",
            "empty": "",
            "mlflow.artifactLocation": LOCATION.format(FULL),
            **rows.IN_DATABASE,
        },
        metadata={
            rows.SESSION: "s-1",
            rows.USAGE: json.dumps(USAGE),
            rows.COST: json.dumps(COSTS),
            rows.STATS: json.dumps({"num_spans": 3}),
            "mlflow.sourceRun": "r",
        },
    )
    rows.spans(conn, FULL, 3, n=40, x=0.5, o={"q": ["a", None, True]}, big=2**62)
    rows.trace(conn, BARE, timestamp_ms=0, execution_time_ms=None, status="IN_PROGRESS")
    rows.trace(
        conn,
        WAITING,
        tags=dict(rows.IN_DATABASE),
        metadata={rows.STATS: json.dumps({"num_spans": 3})},
    )
    rows.spans(conn, WAITING, 2)
    rows.trace(
        conn,
        ELSEWHERE,
        execution_time_ms=2000,
        tags={"mlflow.artifactLocation": LOCATION.format(ELSEWHERE)},
        metadata={"mlflow.trace_schema.version": "2"},
    )
    archive = {"mlflow.trace.archiveLocation": "s3://b/archive"}
    rows.trace(conn, ARCHIVED, tags={"mlflow.trace.spansLocation": "ARCHIVE_REPO", **archive})
    rows.trace(
        conn,
        LONG,
        experiment_id=2,
        status="ERROR",
        execution_time_ms=-1500,
        tags={"t": "t" * 8000, **rows.IN_DATABASE},
        metadata={"m": "m" * 8000},
    )
    rows.spans(conn, LONG, 1, experiment_id=2)
    _assess(conn, odd=odd)


def _assess(conn: Connection, *, odd: bool) -> None:
    given: list[tuple[str, Any, dict[str, Any]]] = [
        ("correct", True, {"span_id": f"{0:016x}", "rationale": "because", "source_id": "bob"}),
        ("score", 5, {"valid": False}),
        ("verdict", {"a": [1, "x", None]}, {"overrides": "a-score"}),
        ("nan", "NaN", {}),
        ("nothing", None, {"error": json.dumps({"error_code": "E", "error_message": "m"})}),
        ("answer", "Paris", {"assessment_type": "expectation"}),
        ("number", 3, {"assessment_type": "expectation"}),
        ("nobody", None, {"assessment_type": "expectation"}),
        ("list", ["a", 1], {"assessment_type": "expectation"}),
        ("i-1", {"issue_name": "slow"}, {"assessment_type": "issue", "source_type": "LLM_JUDGE"}),
        ("about", "yes", {"assessment_metadata": json.dumps({"a": "b", "n": 1})}),
    ]
    for number, (name, value, more) in enumerate(given):
        if name in ("nan", "nobody") and not odd:
            continue
        text = "NaN" if name == "nan" else json.dumps(value)
        rows.assessment(conn, FULL, name, text, **{"created_timestamp": number, **more})


ASSESSMENTS: Final[dict[str, dict[str, Any]]] = {
    "correct": {
        "feedback": {"value": True},
        "span_id": f"{0:016x}",
        "rationale": "because",
        "source": {"source_type": "HUMAN", "source_id": "bob"},
    },
    "score": {"feedback": {"value": 5.0}, "valid": False},
    "verdict": {"feedback": {"value": {"a": [1.0, "x", None]}}, "overrides": "a-score"},
    "nan": {"feedback": {"value": "NaN"}},
    "nothing": {"feedback": {"value": None, "error": {"error_code": "E", "error_message": "m"}}},
    "answer": {"expectation": {"value": "Paris"}},
    "number": {"expectation": {"value": 3.0}},
    "nobody": {"expectation": {"value": None}},
    "list": {
        "expectation": {
            "serialized_value": {"serialization_format": "JSON_FORMAT", "value": '["a", 1]'}
        }
    },
    "i-1": {"issue": {"issue_name": "slow"}, "source": {"source_type": "LLM_JUDGE"}},
    "about": {"feedback": {"value": "yes"}, "metadata": {"a": "b", "n": "1"}},
}
"""What answers hold of each assessment of `FULL`, beside what they all have."""


def _shown(number: int, name: str, own: dict[str, Any]) -> dict[str, Any]:
    return {
        "assessment_id": f"a-{name}",
        "assessment_name": name,
        "trace_id": FULL,
        "source": {"source_type": "HUMAN"},
        "create_time": f"1970-01-01T00:00:00.{number:03}Z" if number else "1970-01-01T00:00:00Z",
        "last_update_time": "2026-11-28T16:57:43.001Z",
        "valid": True,
        **own,
    }


def _info(trace_id: str, experiment: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment},
        },
        "request_time": "2026-11-28T16:57:43.697Z",
        "execution_duration": "0.096s",
        "state": "OK",
        **more,
    }


def _without(info: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in info.items() if name not in names}


INFOS: Final[dict[str, dict[str, Any]]] = {
    FULL: _info(
        FULL,
        client_request_id="creq-1",
        request_preview='{"q": "Grüße"}',
        response_preview="",
        tags={
            rows.NAME: "agent",
            "k": "v",
            "empty": "",
            "mlflow.artifactLocation": LOCATION.format(FULL),
            **rows.IN_DATABASE,
        },
        trace_metadata={
            rows.SESSION: "s-1",
            rows.USAGE: json.dumps(USAGE),
            rows.COST: json.dumps(COSTS),
            rows.STATS: '{"num_spans": 3}',
            "mlflow.sourceRun": "r",
        },
        assessments=[_shown(n, *each) for n, each in enumerate(ASSESSMENTS.items())],
    ),
    BARE: _without(
        _info(BARE, request_time="1970-01-01T00:00:00Z", state="IN_PROGRESS"), "execution_duration"
    ),
    WAITING: _info(WAITING, tags=rows.IN_DATABASE, trace_metadata={rows.STATS: '{"num_spans": 3}'}),
    ELSEWHERE: _info(
        ELSEWHERE,
        execution_duration="2s",
        tags={"mlflow.artifactLocation": LOCATION.format(ELSEWHERE)},
        trace_metadata={"mlflow.trace_schema.version": "2"},
    ),
    ARCHIVED: _info(
        ARCHIVED,
        tags={
            "mlflow.trace.spansLocation": "ARCHIVE_REPO",
            "mlflow.trace.archiveLocation": "s3://b/archive",
        },
    ),
    LONG: _info(
        LONG,
        "2",
        state="ERROR",
        execution_duration="-1.500s",
        tags={"t": "t" * 4096, **rows.IN_DATABASE},
        trace_metadata={"m": "m" * 250},
    ),
}
"""What answers say of each trace."""
