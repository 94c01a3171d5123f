"""Reading logged models that MLflow has put into the database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from tandem_metadata.db import Database
from tandem_metadata.routes import logged_models as routes
from tandem_metadata.routes.endpoint import Context, bind
from tandem_metadata.settings import Settings
from tandem_metadata.tables import logged_models as tables
from tandem_shared.http import Router
from tests.metadata.logging_client import new_run

MODELS = [("m-1", "forest", 10), ("m-2", "forest", 30), ("m-3", "tree", 20), ("m-4", "tree", 20)]


@pytest.fixture
def http(settings: Settings, database: Database) -> Iterator[TestClient]:
    run_id = new_run(database)
    with database.write() as conn:
        for model_id, name, created in MODELS:
            values = {
                "model_id": model_id,
                "experiment_id": 0,
                "name": name,
                "artifact_location": f"mlflow-artifacts:/0/models/{model_id}/artifacts",
                "creation_timestamp_ms": created,
                "last_updated_timestamp_ms": created,
                "status": 2,
                "lifecycle_stage": "deleted" if model_id == "m-4" else "active",
                "source_run_id": run_id,
            }
            conn.execute(insert(tables.logged_models).values(values))
        of_first = {"model_id": "m-1", "experiment_id": 0}
        conn.execute(
            insert(tables.logged_model_tags).values(tag_key="k", tag_value="v", **of_first)
        )
        conn.execute(
            insert(tables.logged_model_params).values(param_key="p", param_value="1", **of_first)
        )
        conn.execute(
            insert(tables.logged_model_metrics).values(
                metric_name="loss",
                metric_timestamp_ms=5,
                metric_step=2,
                metric_value=0.5,
                run_id=run_id,
                **of_first,
            )
        )
    context = Context(settings, database)
    with TestClient(Router(bind(context, routes.ENDPOINTS))) as client:
        yield client


def search(http: TestClient, **body: object) -> tuple[list[str], str | None]:
    answer = http.post("/api/2.0/mlflow/logged-models/search", json=body)
    assert answer.status_code == 200, answer.text
    models = answer.json().get("models", [])
    return [model["info"]["model_id"] for model in models], answer.json().get("next_page_token")


def test_a_model_comes_with_its_tags_params_and_metrics(http: TestClient) -> None:
    model = http.get("/api/2.0/mlflow/logged-models/m-1").json()["model"]
    assert model["info"]["status"] == "LOGGED_MODEL_READY"
    assert model["info"]["artifact_uri"] == "mlflow-artifacts:/0/models/m-1/artifacts"
    assert model["info"]["tags"] == [{"key": "k", "value": "v"}]
    assert model["data"]["params"] == [{"key": "p", "value": "1"}]
    metric = model["data"]["metrics"][0]
    assert (metric["key"], metric["value"], metric["step"]) == ("loss", 0.5, 2)


@pytest.mark.parametrize("model_id", ["m-9", "m-4"])
def test_an_unknown_or_deleted_model_is_not_found(http: TestClient, model_id: str) -> None:
    answer = http.get(f"/api/2.0/mlflow/logged-models/{model_id}")
    assert answer.status_code == 404
    assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_search_finds_the_active_models_by_name_latest_first(http: TestClient) -> None:
    assert search(http, experiment_ids=["0"]) == (["m-2", "m-3", "m-1"], None)
    assert search(http, experiment_ids=["0"], filter="name = 'forest'") == (["m-2", "m-1"], None)
    assert search(http, experiment_ids=["0"], filter="name = 'none'") == ([], None)
    assert search(http, experiment_ids=["7"]) == ([], None)


def test_pages_follow_each_other_in_the_order_asked_for(http: TestClient) -> None:
    body = {"experiment_ids": ["0"], "max_results": 2, "order_by": [{"field_name": "model_id"}]}
    first, token = search(http, **body)
    assert first == ["m-1", "m-2"]
    assert search(http, **body, page_token=token) == (["m-3"], None)


@pytest.mark.parametrize(
    ("body", "status", "code", "naming"),
    [
        ({}, 400, "INVALID_PARAMETER_VALUE", "experiment_ids"),
        ({"experiment_ids": ["x"]}, 400, "INVALID_PARAMETER_VALUE", "'x'"),
        ({"experiment_ids": ["0"], "filter": "zz = 1"}, 400, "INVALID_PARAMETER_VALUE", "zz"),
        ({"experiment_ids": ["0"], "max_results": -1}, 400, "INVALID_PARAMETER_VALUE", "-1"),
        ({"experiment_ids": ["0"], "page_token": "x"}, 400, "INVALID_PARAMETER_VALUE", "token"),
        (
            {"experiment_ids": ["0"], "datasets": [{"dataset_name": "d"}]},
            501,
            "NOT_IMPLEMENTED",
            "datasets",
        ),
    ],
)
def test_a_search_that_cannot_be_accepted_is_refused(
    http: TestClient, body: dict[str, object], status: int, code: str, naming: str
) -> None:
    answer = http.post("/api/2.0/mlflow/logged-models/search", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert naming in answer.json()["message"]
