"""Endpoints that the web UI asks and Tandem does not have: empty results, or refusals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tandem_metadata.app import create_app

GET = {
    "2.0/mlflow/users/current": {},
    "3.0/mlflow/assistant/config": {"providers": {}, "remote_access_allowed": False},
    "3.0/mlflow/assistant/providers": {"providers": [], "resolved": None},
    "3.0/mlflow/ui-telemetry": {
        "disable_ui_telemetry": True,
        "disable_ui_events": [],
        "ui_rollout_percentage": 0,
    },
    "2.0/mlflow/gateway-proxy?gateway_path=api/2.0/endpoints/": {"endpoints": []},
    "3.0/mlflow/skills": {},
    "3.0/mlflow/review-queues/list?experiment_id=1": {},
    "3.0/mlflow/review-queues/items/list": {},
    "3.0/mlflow/label-schemas/list?experiment_id=1": {},
    "3.0/mlflow/mcp-servers": {},
    "3.0/mlflow/gateway/endpoints/list": {},
    "3.0/mlflow/gateway/secrets/list": {},
    "3.0/mlflow/gateway/secrets/config": {"secrets_available": False},
}
POST = {
    "3.0/mlflow/ui-telemetry": {"status": "disabled"},
    "3.0/mlflow/issues/search": {},
    "3.0/mlflow/review-queues/get-or-create-user": {},
}
NOT_SUPPORTED = [
    ("PUT", "3.0/mlflow/scorers/online-config"),
    ("POST", "3.0/mlflow/scorer/invoke"),
    ("POST", "3.0/mlflow/genai/evaluate/invoke"),
    ("POST", "3.0/mlflow/issues/invoke"),
    ("POST", "3.0/mlflow/review-queues/create"),
    ("POST", "3.0/mlflow/label-schemas/create"),
    ("POST", "3.0/mlflow/gateway/secrets/create"),
    ("GET", "3.0/mlflow/gateway/supported-providers"),
    ("PUT", "3.0/mlflow/assistant/config/x"),
    ("GET", "3.0/mlflow/jobs/1"),
    ("POST", "3.0/mlflow/prompt-optimization/jobs"),
    ("POST", "3.0/mlflow/demo/generate"),
    ("POST", "3.0/mlflow/workspaces"),
    ("PATCH", "3.0/mlflow/workspaces/a"),
    ("POST", "3.0/mlflow/skills"),
    ("PUT", "3.0/mlflow/assistant/config"),
    ("POST", "2.0/mlflow/gateway-proxy"),
]
NO_ENDPOINT = [
    ("GET", "2.0/mlflow/users/list"),
    ("GET", "3.0/mlflow/tracesx"),
    ("POST", "2.0/mlflow/traces/tr-1/assessments"),
    ("POST", "3.0/mlflow/traces/tr-1/no-such"),
    ("GET", "3.0/mlflow/scorers/no-such"),
]


@pytest.fixture(params=["", "/tracking"])
def http(
    request: pytest.FixtureRequest, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    prefix = request.param
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{sqlite_template}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts://artifacts.test/")
    monkeypatch.setenv("MLFLOW_STATIC_PREFIX", prefix)
    with TestClient(create_app(), base_url=f"http://localhost{prefix}") as client:
        yield client


def refusal(http: TestClient, method: str, path: str) -> tuple[int, str]:
    body: dict[str, Any] | None = None if method == "GET" else {"name": "n"}
    answer = http.request(method, path, json=body)
    error = answer.json()
    assert error["message"]
    return answer.status_code, error["error_code"]


def test_ui_stubs_answer_the_ui_with_empty_results(http: TestClient) -> None:
    for path, expected in GET.items():
        answer = http.get(f"/ajax-api/{path}")
        assert (path, answer.status_code, answer.json()) == (path, 200, expected)
        assert answer.headers["content-type"] == "application/json"
    for path, expected in POST.items():
        answer = http.post(f"/ajax-api/{path}", json={"experiment_ids": ["1"], "max_results": 5})
        assert (path, answer.status_code, answer.json()) == (path, 200, expected)


def test_ui_stubs_refuse_bodies_that_are_no_json(http: TestClient) -> None:
    answer = http.post(
        "/ajax-api/3.0/mlflow/ui-telemetry", content="{}", headers={"Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    body = json.dumps({"records": ["x" * 2_000_000]})
    headers = {"Content-Type": "application/json"}
    answer = http.post("/ajax-api/3.0/mlflow/ui-telemetry", content=body, headers=headers)
    assert answer.status_code == 413


def test_ui_stubs_are_not_answered_to_clients(http: TestClient) -> None:
    for path in GET:
        assert http.get(f"/api/{path}").status_code in (404, 501), path
    for path in POST:
        assert http.post(f"/api/{path}", json={}).status_code in (404, 501), path


def test_unsupported_endpoints_are_refused(http: TestClient) -> None:
    for method, path in NOT_SUPPORTED:
        for api in ("api", "ajax-api"):
            found = refusal(http, method, f"/{api}/{path}")
            assert (path, *found) == (path, 501, "NOT_IMPLEMENTED")


def test_unknown_paths_are_no_endpoints(http: TestClient) -> None:
    for method, path in NO_ENDPOINT:
        for api in ("api", "ajax-api"):
            found = refusal(http, method, f"/{api}/{path}")
            assert (path, *found) == (path, 404, "ENDPOINT_NOT_FOUND")


def test_ui_server_info_names_the_servers_features(http: TestClient) -> None:
    for api in ("api", "ajax-api"):
        info = http.get(f"/{api}/3.0/mlflow/server-info").json()
        assert info["features_enabled"] == {"gateway": False, "scheduled_issue_detection": False}
        assert info["store_type"] == "SqlStore"
        assert not any(value for key, value in info.items() if isinstance(value, bool))
