"""File stores that processes make, imported while services run, and read by MLflow's server."""

import multiprocessing
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import load_text
from mlflow.entities import Metric, Param, ViewType

from tandem_metadata.__main__ import main
from tests.harness import commands
from tests.harness.processes import environment
from tests.metadata.transfer.file_stores import MadeUp, example
from tests.system import stock_clients
from tests.system.services import artifacts_service, metadata_service, mlflow_server

_IMPORT = (Path(sys.executable).parent / "tandem-metadata", "import")
_EXPERIMENTS = 10
_PROCESSES = 3


def _import(folder: Path, database: str, *arguments: str) -> str:
    line = ["tandem-metadata", "import", str(folder), "--to", database, *arguments]
    done = commands.run(main, line, environment())
    assert done.status == 0, done
    assert done.err == ""
    return done.out


def test_imported_store_is_served_by_mlflow(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'imported.db'}"
    _import(example("3.17", tmp_path), database)
    with mlflow_server(tmp_path, database=database) as server:
        client = MlflowClient(server.url)
        demo = client.get_experiment_by_name("demo")
        assert demo is not None
        (first,) = client.search_runs(
            [demo.experiment_id], "params.lr = '0.1' AND metrics.loss < 1"
        )
        assert first.info.run_name == "first"
        assert [m.value for m in client.get_metric_history(first.info.run_id, "loss")][1:] == [
            0.5,
            0.3333333333333333,
        ]
        deleted = client.search_runs([demo.experiment_id], run_view_type=ViewType.DELETED_ONLY)
        assert [run.info.run_name for run in deleted] == ["gone"]
        (trace,) = client.search_traces([demo.experiment_id])
        assert [span.name for span in trace.data.spans] == ["root", "f"]
        assert len(trace.info.assessments) == 2
        assert client.get_model_version_by_alias("fraud", "champion").current_stage == "Staging"
        (model,) = client.search_logged_models([demo.experiment_id])
        assert (model.name, model.params) == ("lm", {"depth": "3"})
        new = client.create_experiment("new")
        client.log_metric(client.create_run(new).info.run_id, "m", 1.0)


def test_artifacts_of_the_folder_are_served_without_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = example("3.17", tmp_path)
    database = f"sqlite:///{tmp_path / 'imported.db'}"
    with artifacts_service(tmp_path, str(folder)) as artifacts:
        root = artifacts.url.replace("http://", "mlflow-artifacts://")
        _import(folder, database, "--artifacts-root", root)
        with (
            metadata_service(tmp_path, database, root) as metadata,
            stock_clients.pointed_at(metadata.url, monkeypatch) as client,
        ):
            demo = client.get_experiment_by_name("demo")
            assert demo is not None
            (first,) = client.search_runs([demo.experiment_id])
            assert load_text(f"{first.info.artifact_uri}/notes/hello.txt").strip() == "hello"
            assert client.get_model_version_download_uri("fraud", "1").startswith(root)


def _race(root: str, number: int) -> None:
    """What a script does that several start at once."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.tracking.file_store import FileStore

    store = FileStore(root)
    for index in range(_EXPERIMENTS):
        try:
            experiment = store.create_experiment(f"experiment {index}", None, [])
        except MlflowException:
            found = store.get_experiment_by_name(f"experiment {index}")
            assert found is not None
            experiment = found.experiment_id
        run = store.create_run(experiment, "ann", 1, [], f"of process {number}")
        points = [Metric("m", float(step), step, step) for step in range(20)]
        store.log_batch(run.info.run_id, points, [Param("process", str(number))], [])


def test_store_that_processes_made_in_a_race_is_imported_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder = tmp_path / "mlruns"
    folder.mkdir()
    context = multiprocessing.get_context("spawn")
    racing = [
        context.Process(target=_race, args=(str(folder), number)) for number in range(_PROCESSES)
    ]
    for each in racing:
        each.start()
    for each in racing:
        each.join()
    assert {each.exitcode for each in racing} == {0}
    database = f"sqlite:///{tmp_path / 'imported.db'}"
    _import(folder, database)
    _import(folder, database)
    with metadata_service(tmp_path, database, "mlflow-artifacts://127.0.0.1:9/") as metadata:
        client = MlflowClient(metadata.url)
        experiments = client.search_experiments(max_results=1000)
        named = Counter(each.name.partition(" (")[0] for each in experiments)
        assert len(named) == _EXPERIMENTS + 1
        runs = client.search_runs([each.experiment_id for each in experiments], max_results=1000)
        assert Counter(run.data.params["process"] for run in runs) == {
            str(number): _EXPERIMENTS for number in range(_PROCESSES)
        }
        assert {run.data.metrics["m"] for run in runs} == {19.0}


def test_services_go_on_while_a_store_is_imported(tmp_path: Path) -> None:
    store = MadeUp(tmp_path)
    experiment = store.experiment(1, "imported")
    lines = "".join(f"{step} {step}.5 {step}\n" for step in range(200))
    for _ in range(300):
        store.run(experiment, params={"p": "v"}, metrics={"m": lines})
    database = f"sqlite:///{tmp_path / 'served.db'}"
    with metadata_service(tmp_path, database, "mlflow-artifacts://127.0.0.1:9/") as metadata:
        client = MlflowClient(metadata.url)
        run_id = client.create_run("0").info.run_id
        done = threading.Event()
        logged = 0

        def log() -> None:
            nonlocal logged
            while not done.is_set():
                client.log_metric(run_id, "m", float(logged), step=logged)
                logged += 1

        thread = threading.Thread(target=log)
        thread.start()
        try:
            _import(store.root, database)
        finally:
            done.set()
            thread.join()
        assert client.get_run(run_id).data.metrics == {"m": float(logged - 1)}
        imported = client.get_experiment_by_name("imported")
        assert imported is not None
        runs = client.search_runs([imported.experiment_id], max_results=1000)
        assert len(runs) == 300
        assert len(client.get_metric_history(runs[7].info.run_id, "m")) == 200


@pytest.mark.parametrize("seconds", [0.4, 0.7, 1.0, 1.4])
def test_import_that_is_killed_is_completed_by_the_next(tmp_path: Path, seconds: float) -> None:
    store = MadeUp(tmp_path)
    for number in range(1, 4):
        experiment = store.experiment(number)
        lines = "".join(f"{step} {step}.5 {step}\n" for step in range(500))
        for _ in range(60):
            store.run(experiment, params={"p": "v"}, metrics={"m": lines})
    database = f"sqlite:///{tmp_path / 'killed.db'}"
    process = subprocess.Popen([*_IMPORT, store.root, "--to", database], env=environment())
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _import(store.root, database)
    out = _import(store.root, database)
    counts = {" ".join(line.split()) for line in out.splitlines()}
    assert {"experiments 3 0 3 0", "runs 180 0 180 0"} <= counts
    with metadata_service(tmp_path, database, "mlflow-artifacts://127.0.0.1:9/") as metadata:
        client = MlflowClient(metadata.url)
        runs = client.search_runs(["1", "2", "3"], "params.p = 'v'", max_results=1000)
        assert Counter(run.info.status for run in runs) == {"FINISHED": 180}
        assert {run.data.metrics["m"] for run in runs} == {499.5}
