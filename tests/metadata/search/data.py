"""The experiments and runs for tests of searches."""

from typing import Any

from sqlalchemy import Connection, insert

from tandem_metadata.database.tables.tracking import (
    datasets,
    experiment_tags,
    experiments,
    input_tags,
    inputs,
    latest_metrics,
    params,
    runs,
    tags,
)

LARGEST = 1.7976931348623157e308
"""How MLflow stores Infinity."""

EXPERIMENTS: list[dict[str, Any]] = [
    {"id": 1, "name": "alpha", "made": 100, "tags": {"team": "red", "k.dot": "x"}},
    {"id": 2, "name": "Beta", "made": 300, "tags": {"team": "Blue"}},
    {"id": 3, "name": "gamma_100%", "made": 300, "tags": {"hidden": "true", "team": "red"}},
    {"id": 4, "name": "delta*[x]?", "made": None, "tags": {"with space": "a b"}},
    {"id": 5, "name": "gone", "made": 200, "stage": "deleted", "tags": {"team": "red"}},
]

RUNS: list[dict[str, Any]] = [
    {
        "id": "one",
        "start": 1000,
        "end": 5000,
        "status": "FINISHED",
        "user": "ann",
        "metrics": {"loss": 0.5, "val/acc top-5": 0.9, "m.dots": 1.0},
        "params": {"word": "plain", "lr.rate": "0.1", "my key": "v"},
        "tags": {"mlflow.runName": "first run", "label": "Red"},
        "datasets": [("ds1", "d1", "train"), ("common", "dc", None)],
    },
    {
        "id": "two",
        "start": 2000,
        "status": "RUNNING",
        "user": "Bob",
        "metrics": {"loss": "nan", "val/acc top-5": 0.1},
        "params": {"word": "PLAIN", "lr.rate": "0.2"},
        "tags": {"mlflow.runName": "second run", "label": "red"},
        "datasets": [("ds1", "d2", "Eval")],
    },
    {
        "id": "three",
        "start": 3000,
        "end": 4000,
        "status": "FAILED",
        "user": "ann",
        "metrics": {},
        "params": {"word": "100%"},
        "tags": {"mlflow.runName": "Third_run"},
        "datasets": [("ds2", "d1", "Eval")],
    },
    {
        "id": "four",
        "start": 2000,
        "end": 6000,
        "status": "FINISHED",
        "user": "ann",
        "metrics": {"loss": LARGEST},
        "params": {"word": "a*b"},
        "tags": {"mlflow.runName": "fourth", "label": "x AND y"},
        "datasets": [],
    },
    {
        "id": "five",
        "start": 2000,
        "status": "KILLED",
        "user": None,
        "metrics": {"loss": -2.0, "m.dots": 1.0},
        "params": {"word": "a_b", "lr.rate": "0.1"},
        "tags": {"mlflow.runName": "fifth", "label": "it's"},
        "datasets": [],
    },
    {
        "id": "six",
        "start": None,
        "status": "FINISHED",
        "user": "ann",
        "metrics": {"loss": 0.0},
        "params": {"word": "a\\b"},
        "tags": {"mlflow.runName": "sixth", "label": None},
        "datasets": [],
    },
    {
        "id": "other",
        "experiment": 2,
        "start": 9000,
        "status": "FINISHED",
        "user": "ann",
        "metrics": {"loss": 0.5},
        "params": {"word": "[ab]?"},
        "tags": {"mlflow.runName": "other"},
        "datasets": [],
    },
    {
        "id": "gone",
        "start": 8000,
        "status": "FINISHED",
        "user": "ann",
        "stage": "deleted",
        "metrics": {"loss": 0.5},
        "params": {"word": "plain"},
        "tags": {"mlflow.runName": "gone"},
        "datasets": [],
    },
]


def fill(conn: Connection) -> None:
    """Store all of it."""
    for experiment in EXPERIMENTS:
        store_experiment(conn, experiment)
    for run in RUNS:
        store_run(conn, run)
    store_datasets(conn, RUNS)


def store_datasets(conn: Connection, runs: list[dict[str, Any]]) -> None:
    """Store the datasets that the runs have."""
    for name, digest in {(it[0], it[1]) for run in runs for it in run["datasets"]}:
        values = {"dataset_uuid": f"{name}-{digest}", "name": name, "digest": digest}
        kind = {"experiment_id": 1, "dataset_source_type": "local", "dataset_source": "{}"}
        conn.execute(insert(datasets).values(**values, **kind))


def store_experiment(conn: Connection, experiment: dict[str, Any]) -> None:
    conn.execute(
        insert(experiments).values(
            experiment_id=experiment["id"],
            name=experiment["name"],
            artifact_location="mlflow-artifacts:/x",
            lifecycle_stage=experiment.get("stage", "active"),
            creation_time=experiment["made"],
            last_update_time=experiment["id"] * 10,
        )
    )
    for key, value in experiment["tags"].items():
        conn.execute(
            insert(experiment_tags).values(experiment_id=experiment["id"], key=key, value=value)
        )


def store_run(conn: Connection, run: dict[str, Any]) -> None:
    run_id = run["id"]
    conn.execute(
        insert(runs).values(
            run_uuid=run_id,
            name=run["tags"]["mlflow.runName"],
            user_id=run["user"],
            status=run["status"],
            start_time=run["start"],
            end_time=run.get("end"),
            lifecycle_stage=run.get("stage", "active"),
            artifact_uri=f"mlflow-artifacts:/1/{run_id}/artifacts",
            experiment_id=run.get("experiment", 1),
        )
    )
    for key, value in run["metrics"].items():
        is_nan = value == "nan"
        number = 0.0 if is_nan else value
        row = {"key": key, "value": number, "is_nan": is_nan, "timestamp": 1, "step": 0}
        conn.execute(insert(latest_metrics).values(run_uuid=run_id, **row))
    for table, entries in ((params, run["params"]), (tags, run["tags"])):
        for key, value in entries.items():
            conn.execute(insert(table).values(run_uuid=run_id, key=key, value=value))
    for name, digest, context in run["datasets"]:
        input_id = f"{run_id}-{name}-{digest}"
        conn.execute(
            insert(inputs).values(
                input_uuid=input_id,
                source_type="DATASET",
                source_id=f"{name}-{digest}",
                destination_type="RUN",
                destination_id=run_id,
            )
        )
        if context is not None:
            tag = {"name": "mlflow.data.context", "value": context}
            conn.execute(insert(input_tags).values(input_uuid=input_id, **tag))
