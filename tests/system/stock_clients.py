"""The stock client inside the test, by the variables of MLflow's documentation."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import mlflow
import pytest
from mlflow import MlflowClient

from tests.harness.fluent_client import forget_experiment


@contextmanager
def pointed_at(
    url: str, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str] | None = None
) -> Iterator[MlflowClient]:
    """A client of a server; the fluent API is pointed there too, and has no run when it is left."""
    for name, value in (variables or {}).items():
        monkeypatch.setenv(name, value)
    forget_experiment()
    mlflow.set_tracking_uri(url)
    yield MlflowClient(url)
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri("")


def log_file(client: MlflowClient, name: str, text: str) -> str:
    """The path on the artifacts service of a new file, of a run in an experiment of its own."""
    experiment = client.create_experiment(f"of a file {uuid.uuid4().hex}")
    run = client.create_run(experiment).info.run_id
    client.log_text(run, text, name)
    return f"{experiment}/{run}/artifacts/{name}"
