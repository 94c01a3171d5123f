"""Artifacts that move to another host, and the way back, while services run."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.tracking._tracking_service import utils

from tests.harness.processes import environment
from tests.system.services import (
    artifacts_service,
    metadata_service,
    mlflow_server,
    mlflow_upgrade,
)


@pytest.fixture(autouse=True)
def client_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield
    mlflow.set_tracking_uri("")


def _rewrite(database: str, old: str, new: str) -> None:
    command = [Path(sys.executable).parent / "tandem-metadata", "rewrite-artifacts"]
    command += ["--backend-store-uri", database, "--from", old, "--to", new, "--yes"]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Rewrote " in ended.stdout


def _log(client: MlflowClient) -> str:
    """A run with a file, a logged model and two versions of a model."""
    run = client.create_run(client.create_experiment("moving"))
    client.log_text(run.info.run_id, "of the run", "a.txt")
    model = client.create_logged_model(run.info.experiment_id, "m", run.info.run_id)
    directory = Path(__file__).parent / "clients"
    client.log_model_artifacts(model.model_id, str(directory))
    client.create_registered_model("fraud")
    client.create_model_version("fraud", run.info.artifact_uri, run.info.run_id)
    client.create_model_version("fraud", f"models:/{model.model_id}", model_id=model.model_id)
    return run.info.run_id


def _check(url: str, run_id: str, tmp_path: Path) -> None:
    """All of it is read through a tracking server."""
    mlflow.set_tracking_uri(url)
    utils._artifact_repos_cache.clear()  # As in a new process.
    client = MlflowClient(url)
    assert [each.path for each in client.list_artifacts(run_id)] == ["a.txt"]
    (model,) = client.search_logged_models([client.get_run(run_id).info.experiment_id])
    assert "script.py" in {each.path for each in client.list_logged_model_artifacts(model.model_id)}
    for number, uri in enumerate(("models:/fraud/1/a.txt", "models:/fraud/2/script.py")):
        target = tmp_path / str(number)
        target.mkdir(exist_ok=True)
        assert Path(download_artifacts(uri, dst_path=str(target))).is_file()


def test_artifacts_move_to_another_host_and_back_to_mlflow(database: str, tmp_path: Path) -> None:
    files = str(tmp_path / "artifacts")
    with artifacts_service(tmp_path, files) as artifacts:
        first = artifacts.url.replace("http:", "mlflow-artifacts:") + "/"
        with metadata_service(tmp_path, database, first) as metadata:
            run_id = _log(MlflowClient(metadata.url))
            _check(metadata.url, run_id, tmp_path)
            assert not [line for line in metadata.log_lines() if "newest" in str(line)]

    with artifacts_service(tmp_path, files) as artifacts:
        second = artifacts.url.replace("http:", "mlflow-artifacts:") + "/"
        old = first.removeprefix("mlflow-artifacts://").rstrip("/")
        with metadata_service(tmp_path, database, second) as metadata:
            (told,) = [line for line in metadata.log_lines() if "newest" in str(line)]
            # Experiment 0 is one of them.
            assert f"2 of the newest 2 experiments keep their files on the host {old}" in str(told)
            query = {"run_id": run_id, "path": "a.txt"}
            refused = requests.get(f"{metadata.url}/get-artifact", params=query)
            assert refused.status_code == 403
            assert f"'{old}'" in refused.json()["message"]
            assert f"'{first}1/{run_id}/artifacts'" in refused.json()["message"]
            _rewrite(database, first, second)  # without a restart
            _check(metadata.url, run_id, tmp_path)
        with metadata_service(tmp_path, database, second) as metadata:
            _check(metadata.url, run_id, tmp_path)
            assert not [line for line in metadata.log_lines() if "newest" in str(line)]

        _rewrite(database, second, "mlflow-artifacts:/")
        # Without an ingress: clients are led to the default root's host.
        with metadata_service(tmp_path, database, second) as metadata:
            _check(metadata.url, run_id, tmp_path)
    if database.startswith("sqlite"):
        mlflow_upgrade(database)
        with mlflow_server(tmp_path, files, database=database) as server:
            _check(server.url, run_id, tmp_path)
