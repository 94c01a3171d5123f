"""`tandem-metadata gc` beside running services, over real files and databases."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.harness.processes import eventually, free_port, get
from tests.system import services, stock_clients
from tests.system.garbage import Disk, begin, gc
from tests.system.services import Stack

KILLS = 20  # on each database


@pytest.fixture
def own(database: str, tmp_path: Path) -> Iterator[Stack]:
    """Both services over a database and a folder of the test's own."""
    (tmp_path / "artifacts").mkdir()
    with services.stack(tmp_path, database, str(tmp_path / "artifacts")) as running:
        yield running


@pytest.fixture
def disk(own: Stack) -> Disk:
    return Disk(own.database, own.destination)


def _files(stack: Stack, path: str) -> list[str]:
    """What is at a path on the artifacts service."""
    url = f"{stack.artifacts.url}/api/2.0/mlflow-artifacts/artifacts"
    return [each["path"] for each in get(url, params={"path": path}).json().get("files", [])]


def _is_gone(stack: Stack, path: str) -> bool:
    # Not by a listing of the folder above: the S3 server shows empty folders for a while.
    url = f"{stack.artifacts.url}/api/2.0/mlflow-artifacts/artifacts"
    return get(f"{url}/{path}").status_code == 404


def test_a_clients_runs_models_and_traces_go_with_their_files(
    stack: Stack, client: MlflowClient, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    kept, gone, used = (client.create_run(experiment).info.run_id for _ in range(3))
    for run in (kept, gone, used):
        client.log_text(run, "12345", "folder/a.txt")
        client.log_metric(run, "loss", 0.5)
    model = mlflow.initialize_logged_model(name="m", source_run_id=kept)
    mlflow.finalize_logged_model(model.model_id, "READY")
    name = f"registered-{experiment}"
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{used}/folder", used)
    with mlflow.start_span("traced") as span:
        span.set_inputs({"a": 1})
    mlflow.flush_trace_async_logging()
    for run in (gone, used):
        client.delete_run(run)
    client.delete_logged_model(model.model_id)

    ids = ("--run-ids", f"{gone},{used}", "--logged-model-ids", model.model_id,
           "--trace-ids", span.trace_id)  # fmt: skip
    status, plan = gc(stack, *ids)
    assert status == 0
    assert plan["planned"]["runs"]["items"] == 1
    assert plan["planned"]["runs"]["files"] == 1
    assert plan["planned"]["runs"]["bytes"] == 5
    assert _files(stack, f"{experiment}/{gone}/artifacts") == ["folder"]

    status, report = gc(stack, "--yes", *ids)
    assert (status, report["failed"]) == (0, [])
    assert {kind: each["items"] for kind, each in report["deleted"].items()} == {
        "experiments": 0, "runs": 1, "logged_models": 1, "traces": 1,
    }  # fmt: skip
    assert [each["id"] for each in report["left"]] == [used]
    assert _is_gone(stack, f"{experiment}/{gone}/artifacts/folder/a.txt")
    assert _files(stack, f"{experiment}/{used}/artifacts") == ["folder"]
    assert client.get_run(used).info.lifecycle_stage == "deleted"
    assert mlflow.artifacts.load_text(f"runs:/{kept}/folder/a.txt") == "12345"
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(gone)
    assert mlflow.search_traces(locations=[experiment], return_type="list") == []

    client.delete_experiment(experiment)
    assert gc(stack, "--yes", "--experiment-ids", experiment)[1]["left"][0]["id"] == experiment
    status, report = gc(stack, "--yes", "--experiment-ids", experiment, "--even-registered")
    assert (status, report["left"]) == (0, [])
    for run in (kept, used):
        assert _is_gone(stack, f"{experiment}/{run}/artifacts/folder/a.txt")
    assert client.search_experiments(filter_string=f"name = '{name}'") == []


def test_files_and_rows_of_others_stay(own: Stack, disk: Disk) -> None:
    disk.fill(1, "active", 10)
    # Another experiment's files, which lie in the folder of the one that goes.
    disk.file("mlflow-artifacts:/2/shared/x/artifacts")
    disk.execute("UPDATE experiments SET artifact_location = 'mlflow-artifacts:/2/shared' "
                 "WHERE experiment_id = 1")  # fmt: skip
    rows, files = disk.rows(), disk.files(empty=False)
    disk.fill(2, "deleted", 30)
    status, report = gc(own, "--yes")
    assert (status, report["failed"], report["left"]) == (0, [], [])
    assert disk.files(empty=False) == files
    assert _without_datasets(disk) == _of(rows)
    assert report["deleted"]["runs"]["files"] == 30


def test_an_experiments_folder_goes_whole(own: Stack, disk: Disk) -> None:
    disk.fill(1, "active", 3)
    files = disk.files()
    disk.fill(2, "deleted", 3)
    disk.file("mlflow-artifacts:/2/what nobody knows", "x")
    assert gc(own, "--yes")[0] == 0
    assert disk.files() == files


def _of(rows: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """Rows without evaluation datasets, which are in no experiment."""
    return {name: each for name, each in rows.items() if name != "evaluation_datasets"}


def _without_datasets(disk: Disk) -> dict[str, list[tuple[object, ...]]]:
    return _of(disk.rows())


def test_killed_anywhere_it_ends_alike(own: Stack, disk: Disk, tmp_path: Path) -> None:
    disk.fill(1, "active", 5)
    rows, files = _of(disk.rows()), disk.files()
    for number in range(2, 8):
        disk.fill(number, "deleted", 120)
    chosen = random.Random(22)
    killed = 0
    output = tmp_path / "killed"
    for _ in range(KILLS):
        output.unlink(missing_ok=True)
        running = begin(own, output, "--yes", "--no-sizes")
        eventually(lambda: output.exists() and bool(output.read_text()), "a plan")
        running.join(chosen.random() * 0.3)
        killed += running.is_alive()
        running.kill()
        running.join()
        disk.execute(
            "UPDATE experiments SET last_update_time = last_update_time"
        )  # is no lock left
    assert killed
    status, report = gc(own, "--yes")
    assert (status, report["failed"], report["left"]) == (0, [], [])
    assert disk.files() == files
    assert _without_datasets(disk) == rows
    assert own.metadata.get("/ready").is_success


def test_without_the_artifacts_service_rows_stay_until_it_is_back(own: Stack, disk: Disk) -> None:
    disk.fill(1, "active", 1)
    rows, files = _of(disk.rows()), disk.files()
    disk.fill(2, "deleted", 12)
    full = disk.rows()
    nobody = f"http://127.0.0.1:{free_port()}"
    began = time.monotonic()
    status, report = gc(own, "--yes", "--artifacts-url", nobody)
    assert time.monotonic() - began < 120
    assert status == 1
    assert report["failed_count"] >= 12
    assert "does not answer" in report["failed"][0]["reason"]
    after = disk.rows()
    for table in ("runs", "metrics", "experiments", "logged_models"):
        # Of two runs and a model nothing is known to lie on the service.
        assert len(full[table]) - len(after[table]) <= 6
    status, report = gc(own, "--yes")
    assert (status, report["failed"], report["left"]) == (0, [], [])
    assert _without_datasets(disk) == rows
    assert disk.files() == files


def test_what_is_not_served_is_left_unless_its_files_may_be(own: Stack, disk: Disk) -> None:
    disk.fill(1, "active", 1)
    disk.execute(
        "INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage, deleted_time, artifact_uri) "
        "VALUES ('far', 1, 'deleted', 1, 's3://bucket/1/far/artifacts'), "
        "('all', 1, 'deleted', 1, 'mlflow-artifacts:/'), "
        "('odd', 1, 'deleted', 1, 'mlflow-artifacts:/1'), "
        "('up', 1, 'deleted', 1, 'mlflow-artifacts:/1/up/../../x')"
    )
    files = disk.files()
    for flags in ((), ("--yes",)):
        status, report = gc(own, *flags)
        assert status == 0
        assert {each["id"] for each in report["left"]} == {"far", "all", "odd", "up"}
    assert "begins with 's3:'" in {each["id"]: each["reason"] for each in report["left"]}["far"]
    mapped = "s3://bucket=mlflow-artifacts:/"
    disk.file("mlflow-artifacts:/1/far/artifacts")
    assert gc(own, "--yes", "--artifact-root-map", mapped)[1]["deleted"]["runs"]["items"] == 1
    assert disk.files() == files
    assert gc(own, "--yes", "--leave-artifacts")[1]["deleted"]["runs"]["items"] == 3
    assert disk.files() == files


def test_clients_go_on_meanwhile_and_mlflow_reads_the_rest(
    own: Stack, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (2, 3):
        disk.fill(number, "deleted", 150)
    stop, errors = threading.Event(), []
    with stock_clients.pointed_at(own.metadata.url, monkeypatch) as client:
        experiment = client.create_experiment("in use")
        run = client.create_run(experiment).info.run_id
        logged = [0]

        def log() -> None:
            while not stop.is_set():
                try:
                    client.log_metric(run, "loss", 1.0, step=logged[0])
                    client.log_text(run, "x", f"{logged[0] % 5}.txt")
                    logged[0] += 1
                except Exception as error:
                    errors.append(error)

        writer = threading.Thread(target=log)
        writer.start()
        try:
            status, report = gc(own, "--yes")
        finally:
            stop.set()
            writer.join()
        assert (status, report["failed"], errors) == (0, [], [])
        assert logged[0] > 0
        assert len(client.get_metric_history(run, "loss")) == logged[0]
        assert {each.experiment_id for each in client.search_experiments(view_type=3)} == {
            "0", experiment,
        }  # fmt: skip
    with (
        services.mlflow_server(tmp_path, own.destination, database=_driver(own.database)) as server,
        stock_clients.pointed_at(server.url, monkeypatch) as client,
    ):
        assert {each.name for each in client.search_experiments(view_type=3)} == {
            "Default", "in use",
        }  # fmt: skip
        found = client.search_runs([experiment])
        assert [each.info.run_id for each in found] == [run]
        assert found[0].data.metrics == {"loss": 1.0}
        created = client.create_experiment("after")
        assert client.get_experiment(created).name == "after"


def _driver(database: str) -> str:
    return database.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "artifacts").mkdir()
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.guarded_stack(tmp_path, database, str(tmp_path / "artifacts")) as running:
        yield running


def test_with_accounts_it_lets_itself_in_or_takes_credentials(guarded: Stack) -> None:
    disk = Disk(guarded.database, guarded.destination)
    files = disk.files()
    disk.fill(5, "deleted", 3)
    status, report = gc(guarded, "--yes")
    assert status == 1
    assert "MLFLOW_TRACKING_TOKEN" in report["failed"][0]["reason"]
    status, report = gc(guarded, "--yes", "--auth", "basic")
    assert (status, report["failed"], report["left"]) == (0, [], [])
    assert disk.files() == files
    disk.fill(6, "deleted", 3)
    status, report = gc(
        guarded,
        "--yes",
        MLFLOW_TRACKING_USERNAME="admin",
        MLFLOW_TRACKING_PASSWORD=services.ADMIN_PASSWORD,
    )
    assert (status, report["failed"], report["left"]) == (0, [], [])
    assert disk.files() == files
