"""Traces, which are refused once for each client and experiment, and then dropped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_metadata.routes import unkept_traces

URL = "/api/3.0/mlflow/traces"


@pytest.fixture
def http(sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{sqlite_template}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts://artifacts.test/")
    with TestClient(create_app(), "http://localhost") as client:
        yield client


def trace(number: int, experiment_id: str = "1", **other: Any) -> dict[str, Any]:
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    info = {"trace_id": f"tr-{number}", "trace_location": location, "state": "OK", **other}
    return {"trace": {"trace_info": info}}


def send_spans(http: TestClient, experiment_id: str = "1") -> int:
    headers = {
        "Content-Type": "application/x-protobuf",
        "x-mlflow-experiment-id": experiment_id,
    }
    return http.post("/v1/traces", content=b"\n", headers=headers).status_code


def test_trace_is_refused_once_and_dropped_afterwards(http: TestClient) -> None:
    refused = http.post(URL, json=trace(1))
    assert refused.status_code == 501
    assert refused.json()["error_code"] == "NOT_IMPLEMENTED"
    assert "Tandem keeps no traces" in refused.json()["message"]
    for number in range(2, 5):
        answer = http.post(URL, json=trace(number, tags={"a": "b"}))
        assert answer.status_code == 200
        info = answer.json()["trace"]["trace_info"]
        assert info["trace_id"] == f"tr-{number}"
        # With this tag the client does not upload spans as artifacts.
        assert info["tags"] == {"a": "b", "mlflow.trace.spansLocation": "TRACKING_STORE"}
    assert http.get(f"{URL}/tr-2").status_code == 404


def test_trace_is_refused_once_per_experiment(http: TestClient) -> None:
    for experiment_id in ("1", "2"):
        assert http.post(URL, json=trace(1, experiment_id)).status_code == 501
        assert http.post(URL, json=trace(2, experiment_id)).status_code == 200


def test_trace_is_refused_again_after_a_while(
    http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.post(URL, json=trace(1))
    assert http.post(URL, json=trace(2)).status_code == 200
    monkeypatch.setattr(unkept_traces, "SECONDS", 0.0)
    assert http.post(URL, json=trace(3)).status_code == 501


def test_trace_of_another_client_is_refused_once_too(
    http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.post(URL, json=trace(1))
    assert send_spans(http) == 501  # the same client, a moment later
    assert http.post(URL, json=trace(2)).status_code == 200
    monkeypatch.setattr(unkept_traces, "AT_ONCE_SECONDS", -1.0)
    assert send_spans(http, "2") == 501
    assert http.post(URL, json=trace(3)).status_code == 200
    assert send_spans(http) == 501
    assert http.post(URL, json=trace(4)).status_code == 501


def test_trace_clients_that_are_remembered_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unkept_traces, "_REMEMBERED", 2)
    told = unkept_traces.Told()
    assert [told.is_due(("host", each)) for each in "abcabc"] == [True] * 6
    assert [told.is_due(("host", each)) for each in "cb"] == [False] * 2


@pytest.mark.parametrize(
    "body", [{}, {"trace": {}}, {"trace": {"trace_info": {}}}, {"trace": {"spans": []}}]
)
def test_trace_that_is_invalid_is_always_refused(http: TestClient, body: dict[str, Any]) -> None:
    for _ in range(2):
        assert http.post(URL, json=body).status_code == 501


@pytest.mark.parametrize("info", [3, "x", [1]])
def test_trace_info_that_is_no_object_is_a_400(http: TestClient, info: Any) -> None:
    assert http.post(URL, json={"trace": {"trace_info": info}}).status_code == 400


@pytest.mark.parametrize(
    "odd", [{"tags": 3}, {"trace_location": []}, {"trace_location": {"mlflow_experiment": "x"}}]
)
def test_trace_with_odd_fields_is_answered(http: TestClient, odd: dict[str, Any]) -> None:
    body = trace(1)
    body["trace"]["trace_info"] |= odd
    assert http.post(URL, json=body).status_code == 501
    assert http.post(URL, json=body).status_code == 200
