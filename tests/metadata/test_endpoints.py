"""Every endpoint of the tracking API answers under both prefixes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tandem_metadata.app import create_app
from tandem_shared import MLFLOW_VERSION

POST = [
    *(
        f"2.0/mlflow/experiments/{name}"
        for name in (
            "create", "delete", "delete-experiment-tag", "restore", "search",
            "set-experiment-tag", "update",
        )
    ),
    *(
        f"2.0/mlflow/runs/{name}"
        for name in (
            "create", "delete", "delete-tag", "log-batch", "log-inputs", "log-metric", "log-model",
            "log-parameter", "outputs", "restore", "search", "set-tag", "update",
        )
    ),
    "2.0/mlflow/experiments/search-datasets",
    "2.0/mlflow/logged-models",
    "2.0/mlflow/logged-models/search",
    *(
        f"2.0/mlflow/model-versions/{name}"
        for name in ("create", "set-tag", "transition-stage")
    ),
    *(
        f"2.0/mlflow/registered-models/{name}"
        for name in ("alias", "create", "get-latest-versions", "rename", "set-tag")
    ),
]  # fmt: skip
GET = [
    "2.0/mlflow/artifacts/list",
    "2.0/mlflow/experiments/get",
    "2.0/mlflow/experiments/get-by-name",
    "2.0/mlflow/experiments/search",
    "2.0/mlflow/metrics/get-history",
    "2.0/mlflow/metrics/get-history-bulk",
    "2.0/mlflow/metrics/get-history-bulk-interval",
    "2.11/mlflow/metrics/get-history-bulk-interval",
    "2.0/mlflow/model-versions/search",
    "2.0/mlflow/registered-models/search",
    "2.0/mlflow/model-versions/get",
    "2.0/mlflow/model-versions/get-download-uri",
    "2.0/mlflow/registered-models/alias",
    "2.0/mlflow/registered-models/get",
    "2.0/mlflow/registered-models/get-latest-versions",
    "2.0/mlflow/runs/get",
    "2.0/mlflow/webhooks",
    "3.0/mlflow/server-info",
]
PATCH = ["2.0/mlflow/model-versions/update", "2.0/mlflow/registered-models/update"]
DELETE = [
    "2.0/mlflow/model-versions/delete",
    "2.0/mlflow/model-versions/delete-tag",
    "2.0/mlflow/registered-models/alias",
    "2.0/mlflow/registered-models/delete",
    "2.0/mlflow/registered-models/delete-tag",
]
NAMED = [
    ("GET", "2.0/mlflow/logged-models/m-0"),
    ("PATCH", "2.0/mlflow/logged-models/m-0"),
    ("DELETE", "2.0/mlflow/logged-models/m-0"),
    ("PATCH", "2.0/mlflow/logged-models/m-0/tags"),
    ("DELETE", "2.0/mlflow/logged-models/m-0/tags/t"),
    ("POST", "2.0/mlflow/logged-models/m-0/params"),
]
"""Paths that name something, here what does not exist."""
PLAIN = ["/", "/health", "/ready", "/version", "/metrics", "/get-artifact"]


@pytest.fixture(params=["", "/tracking"])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def http(
    prefix: str, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{sqlite_template}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts://artifacts.example.com/")
    monkeypatch.setenv("MLFLOW_STATIC_PREFIX", prefix)
    with TestClient(create_app(), base_url=f"http://localhost{prefix}") as client:
        yield client


def test_every_endpoint_answers_under_both_prefixes(http: TestClient) -> None:
    for api in ("api", "ajax-api"):
        for method, paths in (("POST", POST), ("GET", GET), ("PATCH", PATCH), ("DELETE", DELETE)):
            for path in paths:
                body = None if method == "GET" else {}
                answer = http.request(method, f"/{api}/{path}", json=body)
                assert answer.status_code in (200, 400), f"{method} /{api}/{path}: {answer.text}"
                if answer.status_code == 400:
                    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_paths_that_name_what_does_not_exist_answer_so(http: TestClient) -> None:
    for api in ("api", "ajax-api"):
        for method, path in NAMED:
            body = None if method == "GET" else {"status": 1}
            answer = http.request(method, f"/{api}/{path}", json=body)
            assert answer.status_code == 404, f"{method} /{api}/{path}: {answer.text}"
            assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_what_has_no_api_prefix_answers_too(http: TestClient) -> None:
    answers = {path: http.get(path).status_code for path in PLAIN}
    assert answers == dict.fromkeys(PLAIN, 200) | {"/get-artifact": 400}


def test_slashes_may_be_doubled_before_every_path(http: TestClient, prefix: str) -> None:
    """As clients send them whose address ends in a slash; MLflow's server answers, too."""
    root = f"http://localhost{prefix}/"
    answers = {path: http.get(root + path).status_code for path in PLAIN}
    assert answers == dict.fromkeys(PLAIN, 200) | {"/get-artifact": 400}
    for api in ("api", "ajax-api"):
        found = http.post(f"{root}/{api}/2.0/mlflow/experiments/search", json={"max_results": 1})
        assert found.json()["experiments"][0]["name"] == "Default"
        assert http.get(f"{root}{api}//2.0/mlflow/experiments/search").status_code == 404


def test_graphql_answers_below_the_static_prefix_only(http: TestClient) -> None:
    query = {"query": "{ __typename }"}
    answer = http.post("/graphql", json=query)
    assert answer.json() == {"data": {"__typename": "Query"}, "errors": None}
    assert http.post("/api/graphql", json=query).status_code == 404
    counted = [line for line in http.get("/metrics").text.splitlines() if '"/graphql"' in line]
    assert any('status="200"' in line for line in counted)


def test_the_version_is_mlflows(http: TestClient) -> None:
    answer = http.get("/version")
    assert answer.text == MLFLOW_VERSION
    assert answer.headers["content-type"].startswith("text/plain")
