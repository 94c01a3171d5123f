"""What the stock client leaves in both services for the pages to show."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.models import Model, ModelSignature, infer_signature

from tests.browser.layouts import Layout, client_of

EXPERIMENT = "iris"
SHOWCASE = "showcase"
"""The run that has one of everything."""
TRIALS = ("adam-small", "adam-large", "sgd-small", "sgd-large")
"""Runs to compare, by params `optimizer` and `depth`, and metrics with histories."""
CROWD = "crowd"
"""An experiment of more runs than a page has."""
CROWD_SIZE = 130
MODEL = "iris-classifier"
"""A registered model of three versions."""
OTHER_MODEL = "wine-regressor"
PROMPT = "greeting"
POINTS = 200
"""Length of the histories of the trials' metrics."""
SAVED_MODEL = "saved-model"
"""The folder of a model among the showcase's artifacts."""
ODD_NAME = "näme + 100% ☃.txt"
START = 1_767_225_600_000  # 2026-01-01, so that screenshots do not change with the clock

_CORNERS = [[8.4, 47.3], [8.6, 47.3], [8.6, 47.4], [8.4, 47.3]]
_GEOJSON = {
    "type": "Feature",
    "properties": {"name": "a field"},
    "geometry": {"type": "Polygon", "coordinates": [_CORNERS]},
}
FILES = {
    "text/notes.txt": "The first line\nThe second line ☃\n",
    f"text/{ODD_NAME}": "an odd name\n",
    "text/readme.md": "# Heading\n\nSome *words*.\n",
    "text/config.yaml": "depth: 3\nname: tree\n",
    "text/train.py": "def train():\n    return 42\n",
    "text/data.json": json.dumps({"answer": 42, "list": [1, 2, 3]}),
    "text/rows.csv": "city,people\nBasel,173000\nBern,134000\n",
    "map/place.geojson": json.dumps(_GEOJSON),
    "html/report.html": "<h1>A report</h1><p style='color:teal'>all is well</p>",
    "raw.dat": "\x00\x01",
}
"""Files of the showcase run."""


@dataclass(frozen=True)
class Content:
    """Where to find what was filled in."""

    experiment_id: str
    crowd_id: str
    runs: dict[str, str]
    """Run ids of the experiment, by the runs' names."""
    model_id: str
    """The logged model of the showcase run."""

    @property
    def showcase(self) -> str:
        """The id of the showcase run."""
        return self.runs[SHOWCASE]

    def trials(self) -> list[str]:
        """The ids of the trials, in their order."""
        return [self.runs[name] for name in TRIALS]


@dataclass(frozen=True)
class Site:
    """A layout, running, and what it was filled with."""

    layout: Layout
    content: Content


def fill(layout: Layout, directory: Path) -> Site:
    """Fill both services; `directory` is for files on their way."""
    with client_of(layout):
        client = MlflowClient(layout.url)
        experiment_id = client.create_experiment(EXPERIMENT, tags={"team": "blue"})
        client.set_experiment_tag(experiment_id, "mlflow.note.content", "Flowers, by their leaves")
        mlflow.set_experiment(experiment_id=experiment_id)
        runs = {name: _trial(client, experiment_id, n, name) for n, name in enumerate(TRIALS)}
        runs |= _sweep(client, experiment_id)
        runs["gone"] = _run(client, experiment_id, "gone", 0)
        client.delete_run(runs["gone"])
        runs[SHOWCASE] = _run(client, experiment_id, SHOWCASE, 60)
        model_id = _showcase(client, runs[SHOWCASE], directory)
        _registry(client, runs[SHOWCASE], model_id)
        return Site(layout, Content(experiment_id, _crowd(client), runs, model_id))


def _run(client: MlflowClient, experiment_id: str, name: str, minute: int, **tags: str) -> str:
    start = START + minute * 60_000
    tags |= {"mlflow.user": "maria", "mlflow.source.name": "train.py"}
    tags["mlflow.source.type"] = "LOCAL"
    run = client.create_run(experiment_id, start_time=start, run_name=name, tags=tags)
    return run.info.run_id


def _end(client: MlflowClient, run_id: str, minute: int, status: str = "FINISHED") -> None:
    client.set_terminated(run_id, status, START + minute * 60_000 + 42_000)


def _history(key: str, values: Iterable[float]) -> list[Metric]:
    return [Metric(key, value, START + step * 100, step) for step, value in enumerate(values)]


def _trial(client: MlflowClient, experiment_id: str, number: int, name: str) -> str:
    run_id = _run(client, experiment_id, name, 10 + number)
    optimizer, size = name.split("-")
    rate = (number + 1) / 40
    loss = [math.exp(-rate * step) + number / 100 for step in range(POINTS)]
    metrics = {
        "loss": loss,
        "accuracy": [1 - value / 3 for value in loss],
        "val/loss": [value * 1.2 for value in loss],
        "val/accuracy": [1 - value / 2 for value in loss],
    }
    params = [Param("optimizer", optimizer), Param("depth", "3" if size == "small" else "12")]
    client.log_batch(run_id, params=params, tags=[RunTag("size", size)])
    for key, values in metrics.items():
        client.log_batch(run_id, _history(key, values))
    _end(client, run_id, 10 + number)
    return run_id


def _sweep(client: MlflowClient, experiment_id: str) -> dict[str, str]:
    parent = _run(client, experiment_id, "sweep", 30)
    runs = {"sweep": parent}
    for number in range(3):
        name = f"sweep-{number}"
        tags = {"mlflow.parentRunId": parent}
        runs[name] = _run(client, experiment_id, name, 31 + number, **tags)
        client.log_metric(runs[name], "loss", 0.5 + number / 10)
        client.log_param(runs[name], "depth", number)
        _end(client, runs[name], 31 + number, "FAILED" if number == 2 else "FINISHED")
    _end(client, parent, 30)
    return runs


def _showcase(client: MlflowClient, run_id: str, directory: Path) -> str:
    # Imported where it is used: it takes seconds, in each process that collects the tests.
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    client.log_batch(
        run_id,
        [
            *_history("loss", (1 / (step + 1) for step in range(50))),
            *_history("accuracy", (1 - 1 / (step + 1) for step in range(50))),
            *_history("system/cpu_utilization_percentage", (40 + n % 7 for n in range(30))),
            *_history("system/system_memory_usage_megabytes", (900 + n for n in range(30))),
            Metric("undefined", float("nan"), START, 0),
            Metric("endless", float("inf"), START, 0),
        ],
        [Param("optimizer", "adam"), Param("words", "word " * 30)],
        [RunTag("team", "blue"), RunTag("mlflow.note.content", "A run with **one of each**")],
    )
    with mlflow.start_run(run_id):
        iris = load_iris(as_frame=True)
        frame: pd.DataFrame = iris.frame
        dataset = mlflow.data.from_pandas(frame, name="iris-data", targets="target")
        mlflow.log_input(dataset, context="training")
        _files(client, run_id, directory)
        classifier = LogisticRegression(max_iter=300).fit(iris.data, iris.target)
        signature = infer_signature(iris.data, classifier.predict(iris.data))
        info = mlflow.sklearn.log_model(
            classifier,
            name="classifier",
            registered_model_name=MODEL,
            signature=signature,
            pip_requirements=["scikit-learn"],
            params={"C": 1.0},
        )
        _save_among_the_runs_artifacts(client, run_id, classifier, signature, directory / "saved")
        mlflow.log_metric("test_score", 0.97, dataset=dataset, model_id=info.model_id)
    _end(client, run_id, 60)
    return str(info.model_id)


def _save_among_the_runs_artifacts(
    client: MlflowClient,
    run_id: str,
    classifier: Any,
    signature: ModelSignature,
    directory: Path,
) -> None:
    """As clients of MLflow 2 log a model; the newer ones keep it outside of the run."""
    model = Model(SAVED_MODEL, run_id)
    mlflow.sklearn.save_model(
        classifier, directory, mlflow_model=model, signature=signature, pip_requirements=["mlflow"]
    )
    client.log_artifacts(run_id, str(directory), SAVED_MODEL)
    body = {"run_id": run_id, "model_json": model.to_json()}
    url = f"{client.tracking_uri}/api/2.0/mlflow/runs/log-model"
    requests.post(url, json=body, timeout=30).raise_for_status()


def _files(client: MlflowClient, run_id: str, directory: Path) -> None:
    for path, text in FILES.items():
        file = directory / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    client.log_artifacts(run_id, str(directory / "files"))
    client.log_image(run_id, picture(0), "pictures/square.png")
    for step in range(3):
        client.log_image(run_id, picture(step), key="samples", step=step)
    table: dict[str, list[Any]] = {"question": ["one?", "two?"], "answer": ["first", "second"]}
    client.log_table(run_id, table, "answers.json")


def picture(step: int) -> np.ndarray:
    """A small picture, another for each step."""
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[8:56, 8:56] = (30 + 70 * step, 160, 90)
    return pixels


def _registry(client: MlflowClient, run_id: str, model_id: str) -> None:
    """The first version came with the logged model."""
    for number in (2, 3):
        client.create_model_version(
            MODEL, f"models:/{model_id}", run_id, {"round": str(number)}, model_id=model_id
        )
    client.update_registered_model(MODEL, "Tells flowers apart")
    client.set_registered_model_tag(MODEL, "task", "classification")
    client.set_registered_model_alias(MODEL, "champion", "2")
    client.set_registered_model_alias(MODEL, "challenger", "3")
    client.update_model_version(MODEL, "1", "The first of them")
    client.transition_model_version_stage(MODEL, "1", "Archived")
    client.transition_model_version_stage(MODEL, "2", "Production")
    client.create_registered_model(OTHER_MODEL, {"task": "regression"}, "No versions yet")
    client.register_prompt(PROMPT, "Hello {{name}}", "First wording")
    client.register_prompt(PROMPT, "Good morning, {{name}}!", "Second wording", {"lang": "en"})
    client.set_prompt_alias(PROMPT, "production", 1)


def _crowd(client: MlflowClient) -> str:
    experiment_id = client.create_experiment(CROWD)
    for number in range(CROWD_SIZE):
        run_id = _run(client, experiment_id, f"member-{number:03}", number)
        client.log_batch(
            run_id, [Metric("score", number / 10, START, 0)], [Param("group", str(number % 3))]
        )
    return str(experiment_id)
