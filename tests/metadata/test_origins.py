"""Requests that pages of other origins may send to the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tandem_metadata.app import create_app

HEADERS = {"Origin": "http://mlflow.example.com", "Host": "127.0.0.1:5000"}
READS = [
    "/graphql",
    "/ajax-api/3.0/mlflow/traces/search",
    *(
        f"/{api}/2.0/mlflow/{path}"
        for api in ("api", "ajax-api")
        for path in (
            "experiments/search",
            "experiments/search-datasets",
            "logged-models/search",
            "registered-models/get-latest-versions",
            "runs/search",
        )
    ),
]
CHANGES = [
    ("POST", "experiments/create"),
    ("POST", "logged-models"),
    ("POST", "model-versions/create"),
    ("POST", "runs/log-batch"),
    ("POST", "runs/search/"),
    ("PATCH", "registered-models/update"),
    ("DELETE", "registered-models/delete"),
    ("POST", "webhooks"),
]


@pytest.fixture
def http(sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", f"sqlite:///{sqlite_template}")
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "mlflow-artifacts://artifacts.test/")
    with TestClient(create_app(), "http://127.0.0.1:5000", headers=HEADERS) as client:
        yield client


def test_origin_of_a_json_search_does_not_matter(http: TestClient) -> None:
    for path in READS:
        assert http.post(path, json={}).status_code != 403, path
        # The content types that browsers send without a preflight.
        for kind in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded"):
            answer = http.post(path, content="{}", headers={"Content-Type": kind})
            assert (path, answer.status_code) == (path, 400)
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "*"}
        assert http.options(path, headers=asked).status_code == 400, path


def test_origin_that_is_foreign_may_change_nothing(http: TestClient) -> None:
    for method, path in CHANGES:
        for api in ("api", "ajax-api"):
            answer = http.request(method, f"/{api}/2.0/mlflow/{path}", json={})
            assert (path, answer.status_code) == (path, 403)
            assert "Origin is 'http://mlflow.example.com'" in answer.json()["message"]
