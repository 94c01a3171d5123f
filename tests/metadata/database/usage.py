"""Requests that write every column which Tandem writes, and read them back."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tests.metadata.conftest import ARTIFACT_ROOT


def use(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the service on a database that holds nothing but experiment 0, and use it."""
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", uri)
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", ARTIFACT_ROOT)
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    with TestClient(create_app(), base_url="http://127.0.0.1:5000") as client:
        _use_tracking(client)
        _use_logged_models(client)
        _use_registry(client)
        _use_webhooks(client)
        _use_traces(client)


def _use_tracking(client: TestClient) -> None:
    assert _get(client, "experiments/get", experiment_id="0")["experiment"]["name"] == "Default"
    experiment = _post(client, "experiments/create", name="new")["experiment_id"]
    assert experiment == "1"
    run = _post(client, "runs/create", experiment_id=experiment, run_name="a run", start_time=1)
    run_id = run["run"]["info"]["run_id"]
    _post(
        client,
        "runs/log-batch",
        run_id=run_id,
        metrics=[{"key": "m", "value": 0.5, "timestamp": 1, "step": 2}],
        params=[{"key": "p", "value": "v"}],
        tags=[{"key": "t", "value": "w"}],
    )
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "s"}
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    _post(client, "runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": tags}])
    found = _post(
        client,
        "runs/search",
        experiment_ids=[experiment],
        filter="metrics.m = 0.5 AND params.p = 'v' AND tags.t = 'w' AND dataset.name = 'd'",
    )
    (read,) = found["runs"]
    assert read["info"]["run_id"] == run_id
    assert read["inputs"]["dataset_inputs"] == [{"dataset": dataset, "tags": tags}]
    for key, value in (("t", "again"), ("mlflow.runName", "another")):
        _post(client, "runs/set-tag", run_id=run_id, key=key, value=value)
        _post(client, "experiments/set-experiment-tag", experiment_id="0", key=key, value=value)
    _post(client, "runs/log-metric", run_id=run_id, key="m", value=0.25, timestamp=0, step=1)
    for change in ("delete", "restore"):
        _post(client, f"runs/{change}", run_id=run_id)
        _post(client, f"experiments/{change}", experiment_id=experiment)
    _post(client, "runs/update", run_id=run_id, status="KILLED", end_time=3)
    history = _get(client, "metrics/get-history", run_id=run_id, metric_key="m")
    assert {metric["value"] for metric in history["metrics"]} == {0.5, 0.25}


def _use_logged_models(client: TestClient) -> None:
    model = _post(client, "logged-models", experiment_id="0", params=[{"key": "p", "value": "v"}])
    model_id = model["model"]["info"]["model_id"]
    run = _post(client, "runs/create", experiment_id="0")["run"]["info"]["run_id"]
    metric = {"key": "m", "value": 1, "timestamp": 1, "step": 0, "model_id": model_id}
    _post(client, "runs/log-batch", run_id=run, metrics=[metric])
    path = f"/api/2.0/mlflow/logged-models/{model_id}"
    for value in ("1", "2"):
        tags = [{"key": "t", "value": value}]
        assert client.patch(f"{path}/tags", json={"tags": tags}).is_success
    assert client.patch(path, json={"status": "LOGGED_MODEL_READY"}).is_success
    (found,) = _post(client, "logged-models/search", experiment_ids=["0"])["models"]
    assert found["info"]["tags"] == [{"key": "t", "value": "2"}]
    assert found["data"]["metrics"][0]["value"] == 1
    assert client.delete(path).is_success


def _use_registry(client: TestClient) -> None:
    tags = [{"key": "t", "value": "v"}]
    _post(client, "registered-models/create", name="before", tags=tags)
    _post(client, "registered-models/create", name="other", tags=tags)
    for _ in range(2):
        _post(client, "model-versions/create", name="before", source="s3://b/c", tags=tags)
    for value in ("1", "2"):  # over what was there: which columns are unique differs
        named = {"name": "before", "key": "t", "value": value}
        _post(client, "registered-models/set-tag", **named)
        _post(client, "model-versions/set-tag", version="1", **named)
        _post(client, "registered-models/alias", name="before", alias="a", version=value)
    taken = client.post("/api/2.0/mlflow/registered-models/create", json={"name": "other"})
    assert taken.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"
    _post(client, "registered-models/rename", name="before", new_name="after")
    model = _get(client, "registered-models/get", name="after")["registered_model"]
    assert model["tags"] == [{"key": "t", "value": "2"}]
    assert model["aliases"] == [{"alias": "a", "version": "2"}]
    first = _get(client, "model-versions/get", name="after", version="1")["model_version"]
    assert first["tags"] == [{"key": "t", "value": "2"}]
    for path, fields in (("model-versions", {"version": "2"}), ("registered-models", {})):
        body = {"name": "after", **fields}
        answer = client.request("DELETE", f"/api/2.0/mlflow/{path}/delete", json=body)
        assert answer.is_success, answer.text


def _post(client: TestClient, path: str, **body: Any) -> Any:
    answer = client.post(f"/api/2.0/mlflow/{path}", json=body)
    assert answer.is_success, answer.text
    return answer.json()


def _get(client: TestClient, path: str, **query: str) -> Any:
    answer = client.get(f"/api/2.0/mlflow/{path}", params=query)
    assert answer.is_success, answer.text
    return answer.json()


def _use_webhooks(client: TestClient) -> None:
    event = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
    made = _post(client, "webhooks", name="w", url="https://192.0.2.1/", events=[event])
    path = f"/api/2.0/mlflow/webhooks/{made['webhook']['webhook_id']}"
    assert client.patch(path, json={"status": "DISABLED"}).is_success
    assert client.get(path).json()["webhook"]["status"] == "DISABLED"
    assert client.delete(path).is_success


def _use_traces(client: TestClient) -> None:
    trace_id, path = f"tr-{1:032x}", "/api/2.0/mlflow/traces"
    tokens = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    attributes = {
        "mlflow.spanType": "LLM",
        "mlflow.chat.tokenUsage": json.dumps(tokens),
        "mlflow.llm.cost": json.dumps({"input_cost": 1, "output_cost": 1, "total_cost": 2}),
        "mlflow.llm.model": "m",
        "session.id": "s",
    }
    given = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    span = {
        "traceId": f"{1:032x}",
        "spanId": f"{1:016x}",
        "name": "n",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2000001",
        "attributes": given,
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    headers = {"x-mlflow-experiment-id": "0", "x-mlflow-run-id": "r"}
    for _ in range(2):
        answer = client.post("/v1/traces", json=body, headers=headers)
        assert (answer.status_code, answer.content) == (200, b""), answer.text
    location = {"mlflow_experiment": {"experiment_id": "0"}}
    info = {"trace_id": trace_id, "trace_location": location, "tags": {"mlflow.traceName": "n"}}
    answer = client.post(
        "/api/3.0/mlflow/traces", json={"trace": {"trace_info": {**info, "state": "OK"}}}
    )
    assert answer.is_success, answer.text
    for key in ("t", "mlflow.traceName"):
        for value in ("1", "2"):
            tag = {"key": key, "value": value}
            assert client.patch(f"{path}/{trace_id}/tags", json=tag).is_success
    found = client.get(f"/api/3.0/mlflow/traces/{trace_id}").json()["trace"]["trace_info"]
    assert (found["tags"]["t"], found["tags"]["mlflow.traceName"]) == ("2", "2")
    metadata = found["trace_metadata"]
    assert json.loads(metadata["mlflow.trace.tokenUsage"]) == tokens
    assert metadata["mlflow.trace.session"] == "s"
    old = _post(client, "traces", experiment_id="0")["trace_info"]["request_id"]
    assert client.patch(f"{path}/{old}", json={"status": "OK"}).is_success
    gone = _post(client, "traces/delete-traces", experiment_id="0", request_ids=[old, trace_id])
    assert gone == {"traces_deleted": 2}
    assert client.post("/v1/traces", json=body, headers=headers).is_success
