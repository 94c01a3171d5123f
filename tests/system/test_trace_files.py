"""Files of traces: clients put them straight to the artifacts service, browsers get them from the
metadata service."""

import json
from typing import Any

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.tracing.attachments import Attachment

from tests.system.services import Stack

_ATTACHMENT = "0b5f7f0c-6a8e-4d0e-9d0c-1f8f4f6c2a11"


def _shown(stack: Stack, **query: str) -> requests.Response:
    """What the web UI gets."""
    url = f"{stack.metadata.url}/ajax-api/2.0/mlflow/get-trace-artifact"
    return requests.get(url, params=query, timeout=60)


def _put(location: str, path: str, content: bytes) -> None:
    """Store a file as clients do: straight on the host that the location names."""
    host, _, folder = location.removeprefix("mlflow-artifacts://").partition("/")
    url = f"http://{host}/api/2.0/mlflow-artifacts/artifacts/{folder}/{path}"
    assert requests.put(url, data=content, timeout=60).status_code == 200


def _old_trace(stack: Stack, experiment: str) -> tuple[str, str]:
    """The id and the artifact location of a trace as clients up to MLflow 3.1 begin it."""
    given = {"experiment_id": experiment, "timestamp_ms": 1, "request_metadata": [], "tags": []}
    url = f"{stack.metadata.url}/api/2.0/mlflow/traces"
    answer = requests.post(url, json=given, timeout=60)
    assert answer.status_code == 200, answer.text
    info = answer.json()["trace_info"]
    tags = {each["key"]: each["value"] for each in info["tags"]}
    return info["request_id"], tags["mlflow.artifactLocation"]


def test_spans_of_old_clients_are_shown(stack: Stack, experiment: str) -> None:
    trace_id, location = _old_trace(stack, experiment)
    missing = _shown(stack, request_id=trace_id)
    assert (missing.status_code, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    spans = [{"name": "é", "context": {"span_id": "1"}, "attributes": {"k": "x" * 100_000}}] * 30
    content = json.dumps({"spans": spans, "request": "r"}).encode()
    _put(location, "traces.json", content)
    _put(location, f"attachments/{_ATTACHMENT}", b"\x89PNG")
    found = _shown(stack, request_id=trace_id)
    assert found.status_code == 200
    assert found.content == content
    assert found.headers["Content-Disposition"] == "attachment; filename=traces.json"
    attachment = _shown(stack, request_id=trace_id, path=_ATTACHMENT)
    assert (attachment.status_code, attachment.content) == (200, b"\x89PNG")


def test_files_beside_those_of_the_trace_are_not_shown(stack: Stack, experiment: str) -> None:
    trace_id, location = _old_trace(stack, experiment)
    _put(location, "secret", b"s")
    _put(location.removesuffix(f"/{trace_id}/artifacts"), f"attachments/{_ATTACHMENT}", b"s")
    for path in ("secret", "../secret", f"../../../attachments/{_ATTACHMENT}", f"./{_ATTACHMENT}"):
        assert _shown(stack, request_id=trace_id, path=path).status_code == 400, path
    assert _shown(stack, request_id=trace_id, path=_ATTACHMENT).status_code == 404


def test_spans_that_a_client_cannot_send_are_kept_as_its_file(
    stack: Stack, client: MlflowClient, experiment: str
) -> None:
    """OTLP has no integer of more than 64 bits, and the client tells nobody that it failed."""
    root = client.start_trace("agent", inputs={"n": 2**70}, experiment_id=experiment)
    client.end_trace(root.trace_id, outputs="done")
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(root.trace_id)
    assert trace is not None
    assert [each.inputs for each in trace.data.spans] == [{"n": 2**70}]
    (shown,) = _shown(stack, request_id=root.trace_id).json()["spans"]
    assert shown["name"] == "agent"


def test_todays_client_reads_what_it_wrote(
    stack: Stack, client: MlflowClient, experiment: str
) -> None:
    image = Attachment(content_type="image/png", content_bytes=b"\x89PNG" * 1000)
    root = client.start_trace("agent", inputs={"q": "é", "image": image}, experiment_id=experiment)
    values: dict[str, Any] = {"n": 1, "x": 1.5, "big": 2**62, "b": True, "l": ["a"], "t": "5"}
    child = client.start_span("tool", root.trace_id, root.span_id, attributes=values)
    client.end_span(root.trace_id, child.span_id, outputs={"a": [1.5, None, {"b": True}]})
    client.end_trace(root.trace_id, outputs="done")
    mlflow.flush_trace_async_logging()

    trace = mlflow.get_trace(root.trace_id)
    assert trace is not None
    assert [span.name for span in trace.data.spans] == ["agent", "tool"]
    tool = trace.data.spans[1]
    assert {key: tool.attributes[key] for key in values} == values
    assert tool.outputs == {"a": [1.5, None, {"b": True}]}
    assert trace.info.state == "OK"
    assert trace.info.tags["mlflow.traceName"] == "agent"
    shown = _shown(stack, request_id=root.trace_id)
    assert [span["name"] for span in shown.json()["spans"]] == ["agent", "tool"]
    reference = Attachment.parse_ref(trace.data.spans[0].inputs["image"])
    assert reference
    attachment = _shown(stack, request_id=root.trace_id, path=str(reference["attachment_id"]))
    assert (attachment.status_code, attachment.content) == (200, image.content_bytes)
