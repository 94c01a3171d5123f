"""The logged models for tests of searches, of the experiments and runs of `data`."""

from typing import Any

from sqlalchemy import Connection, insert

from tandem_metadata.database.tables import logged_models as tables
from tests.metadata.search import data

TRAIN, TEST, TEST_2 = ("train", "d1"), ("test", "d1"), ("test", "d2")

MODELS: list[dict[str, Any]] = [
    {
        "id": "m-a", "name": "alpha", "made": 100, "type": "agent", "run": "one",
        "params": {"lr": "0.1", "word": "Plain"}, "tags": {"team": "Red", "k.dot": "x"},
        # key, value, time, step, run, dataset
        "metrics": [
            ("acc", 0.5, 5, 0, "one", TRAIN), ("acc", 0.9, 6, 1, "one", TEST),
            ("two", 1.0, 10, 5, "one", None), ("two", 9.0, 20, 1, "one", None),
        ],
    },
    {
        "id": "m-b", "name": "beta", "made": 300, "type": "Tree", "run": "two",
        "params": {"lr": "0.2", "word": "plain"}, "tags": {"team": "blue"},
        "metrics": [
            ("acc", 0.7, 5, 0, "one", TRAIN), ("acc", 0.1, 7, 1, "one", TEST_2),
            ("two", 5.0, 20, 9, "one", None), ("loss", 0.0, 1, 1, "one", None),
        ],
    },
    {
        "id": "m-c", "name": "Gamma_1", "made": 300, "type": None, "run": "",
        "params": {"word": "100"}, "tags": {"team": "red", "and": "x AND y"},
        "metrics": [
            ("acc", 0.6, 9, 9, "one", None), ("two", 7.0, 20, 9, "two", None),
            ("two", 6.0, 20, 9, "one", None), ("loss", data.LARGEST, 1, 1, "one", TRAIN),
            ("val/acc x", 2.0, 1, 1, "one", TEST),
        ],
    },
    {"id": "m-d", "name": "delta 5", "made": 200, "type": "", "run": "", "status": 2},
    {"id": "m-e", "name": "elsewhere", "made": 400, "type": "", "run": "", "experiment": 2},
    {"id": "m-f", "name": "gone", "made": 500, "type": "", "run": "", "stage": "deleted"},
]  # fmt: skip


def fill(conn: Connection) -> None:
    """Store all of it."""
    for model in MODELS:
        store_logged_model(conn, model)


def store_logged_model(conn: Connection, model: dict[str, Any]) -> None:
    of_model = {"model_id": model["id"], "experiment_id": model.get("experiment", 1)}
    conn.execute(
        insert(tables.logged_models).values(
            **of_model,
            name=model["name"],
            artifact_location=f"mlflow-artifacts:/1/models/{model['id']}/artifacts",
            creation_timestamp_ms=model["made"],
            last_updated_timestamp_ms=model["made"] + ord(model["id"][-1]),
            status=model.get("status", 1),
            lifecycle_stage=model.get("stage", "active"),
            model_type=model["type"],
            source_run_id=model["run"],
        )
    )
    for key, value in model.get("params", {}).items():
        row = {"param_key": key, "param_value": value, **of_model}
        conn.execute(insert(tables.logged_model_params).values(row))
    for key, value in model.get("tags", {}).items():
        row = {"tag_key": key, "tag_value": value, **of_model}
        conn.execute(insert(tables.logged_model_tags).values(row))
    for key, value, time, step, run, dataset in model.get("metrics", []):
        row = {
            "metric_name": key,
            "metric_value": value,
            "metric_timestamp_ms": time,
            "metric_step": step,
            "run_id": run,
            "dataset_name": dataset[0] if dataset else None,
            "dataset_digest": dataset[1] if dataset else None,
        }
        conn.execute(insert(tables.logged_model_metrics).values(**row, **of_model))
