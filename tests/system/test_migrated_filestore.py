"""A database that `mlflow migrate-filestore` made keeps its experiments' ids of 18 digits."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.cli import cli
from mlflow.entities import Metric, Param
from mlflow.store.tracking.file_store import FileStore

from tests.system import services


@pytest.fixture
def migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The database's address, and the id of its experiment `old` with a run."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    files, database = tmp_path / "mlruns", f"sqlite:///{tmp_path / 'migrated.db'}"
    store = FileStore(str(files), "mlflow-artifacts:/")
    experiment_id = store.create_experiment("old", None, [])
    run = store.create_run(experiment_id, "user", 1, [], "old run")
    store.log_batch(run.info.run_id, [Metric("m", 0.5, 1, 0)], [Param("p", "v")], [])
    command = cli.commands["migrate-filestore"]
    options = ["--source", str(files), "--target", database, "--no-progress"]
    done = CliRunner().invoke(command, options)
    assert done.exit_code == 0, done.output
    return database, experiment_id


def test_experiments_of_a_migrated_filestore_and_new_ones_are_used_by_a_stock_client(
    migrated: tuple[str, str], tmp_path: Path
) -> None:
    database, old = migrated
    assert int(old) > 2**31
    with services.stack(tmp_path, database, str(tmp_path / "artifacts")) as stack:
        client = MlflowClient(stack.metadata.url)
        (run,) = client.search_runs([old], "metrics.m = 0.5 AND params.p = 'v'")
        assert run.info.run_name == "old run"
        client.set_experiment_tag(old, "k", "v")
        client.rename_experiment(old, "renamed")
        assert client.get_experiment(old).tags == {"k": "v"}
        assert client.get_experiment_by_name("renamed").experiment_id == old
        new = client.create_experiment("new")
        assert int(new) == int(old) + 1
        for experiment_id in (old, new):
            _use(client, experiment_id)
        client.delete_experiment(old)
        assert [each.name for each in client.search_experiments()] == ["new", "Default"]
        client.restore_experiment(old)
        assert len(client.search_runs([old, new])) == 3


def _use(client: MlflowClient, experiment_id: str) -> None:
    run_id = client.create_run(experiment_id).info.run_id
    client.log_metric(run_id, "loss", 0.25, step=1)
    client.log_text(run_id, "hello", "notes/hello.txt")
    assert [each.path for each in client.list_artifacts(run_id, "notes")] == ["notes/hello.txt"]
    model = client.create_logged_model(experiment_id, "model", source_run_id=run_id)
    (found,) = client.search_logged_models([experiment_id])
    assert found.model_id == model.model_id
    assert f"/{experiment_id}/" in found.artifact_location
