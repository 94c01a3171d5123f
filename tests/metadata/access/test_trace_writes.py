"""Traces are written in experiments that their sender may write to, whatever id he sends."""

from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from sqlalchemy import select

from tandem_metadata.database.tables.traces import entity_associations
from tests.metadata.guarded import DENIED, Guarded
from tests.metadata.spans.exports import CHILD, ROOT, TRACE, export, span

_TRACE_ID = f"tr-{TRACE.hex()}"
_OTHER = bytes(15) + b"\1"
_URL = "/api/3.0/mlflow/traces"


@pytest.fixture
def experiments(service: Guarded) -> tuple[str, str]:
    """One that ann may write to, and one in which bob has a trace."""
    mine, theirs = service.experiment("mine"), service.experiment("theirs")
    service.user("ann", ("experiment", mine, "EDIT"), ("experiment", theirs, "READ"))
    service.user("bob", ("experiment", theirs, "EDIT"))
    answer = _export(service, "bob", theirs, span())
    assert answer.status_code == 200, answer.text
    return mine, theirs


def _export(service: Guarded, name: str, experiment: str, *spans: Any, **more: str) -> Any:
    headers = {
        **service.headers(name),
        "content-type": "application/x-protobuf",
        "x-mlflow-experiment-id": experiment,
        **{key.replace("_", "-"): value for key, value in more.items()},
    }
    body = export(*spans).SerializeToString()
    return service.http.post("/v1/traces", content=body, headers=headers)


def _info(trace_id: str, experiment: str) -> dict[str, Any]:
    location = {"mlflow_experiment": {"experiment_id": experiment}}
    return {"trace": {"trace_info": {"trace_id": trace_id, "trace_location": location}}}


def _rejected(answer: httpx.Response) -> tuple[int, str]:
    assert answer.status_code == 200, answer.text
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    return told.rejected_spans, told.error_message


def test_spans_of_another_experiments_trace_are_rejected_alone(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    mine, theirs = experiments
    answer = _export(service, "ann", mine, span(CHILD, ROOT), span(CHILD, trace_id=_OTHER))
    assert _rejected(answer) == (1, "You may not write to a trace of that id.")
    found = service.call("ann", "GET", f"{_URL}/get", trace_id=_TRACE_ID)["trace"]
    assert len(found["spans"]) == 1
    own = service.call("ann", "GET", f"{_URL}/tr-{_OTHER.hex()}")["trace"]["trace_info"]
    assert own["trace_location"]["mlflow_experiment"]["experiment_id"] == mine
    refused = _export(service, "ann", theirs, span())
    assert (refused.status_code, refused.json()["error_code"]) == DENIED


def test_another_experiments_trace_is_not_moved_away(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    mine, theirs = experiments
    assert service.ask("ann", "POST", _URL, **_info(_TRACE_ID, mine))[0] == 403
    assert service.ask("ann", "POST", _URL, **_info(f"tr-{2:032x}", theirs))[0] == 403
    found = service.call("bob", "GET", f"{_URL}/{_TRACE_ID}")["trace"]["trace_info"]
    assert found["trace_location"]["mlflow_experiment"]["experiment_id"] == theirs
    service.grant("ann", ("experiment", theirs, "EDIT"))
    service.sign_in_anew("ann")
    assert service.ask("ann", "POST", _URL, **_info(_TRACE_ID, mine))[0] == 200


def test_a_run_that_may_not_be_written_to_is_not_linked_and_no_span_lost(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    mine, theirs = experiments
    runs = {each: service.run(each) for each in experiments}
    for number, run_id in enumerate((runs[theirs], runs[mine], "nobody")):
        trace = (number + 7).to_bytes(16, "big")
        answer = _export(service, "ann", mine, span(trace_id=trace), x_mlflow_run_id=run_id)
        assert _rejected(answer) == (0, "")
    with service.database.read() as conn:
        linked = conn.execute(select(entity_associations.c.destination_id)).scalars().all()
    assert linked == [runs[mine]]


def test_who_may_not_have_traces_writes_none(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    mine, _ = experiments
    service.user("eve", ("experiment", mine, "MANAGE"), ("trace", "*", "DENY"))
    assert _export(service, "eve", mine, span(trace_id=_OTHER)).status_code == 403
    for path, body in (
        (_URL, _info("tr-1", mine)),
        ("traces", {"experiment_id": mine}),
        ("traces/delete-traces", {"experiment_id": mine, "request_ids": ["x"]}),
    ):
        assert service.ask("eve", "POST", path, **body)[0] == 403, path


def test_deleting_traces_needs_what_it_does_in_mlflow(
    service: Guarded, experiments: tuple[str, str]
) -> None:
    """A grant on all traces decides alone, and so does one on all assessments."""
    mine, _ = experiments
    body = {"experiment_id": mine, "request_ids": ["x"]}
    for name, granted, status in (
        ("a", [("experiment", mine, "MANAGE")], 200),
        ("b", [("experiment", mine, "EDIT")], 403),
        ("c", [("experiment", mine, "EDIT"), ("trace", "*", "MANAGE")], 200),
        ("d", [("experiment", mine, "READ"), ("trace", "*", "MANAGE")], 403),
        ("e", [("experiment", mine, "MANAGE"), ("assessment", "*", "DENY")], 403),
    ):
        service.user(name, *granted)
        assert service.ask(name, "POST", "traces/delete-traces", **body)[0] == status, name
