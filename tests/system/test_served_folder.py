"""`serve --backend-store-uri ./mlruns`: the stock client sees the folder's runs, and later ones."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from mlflow import MlflowClient

from tests.harness.processes import Process, environment, eventually
from tests.metadata.transfer.file_stores import MadeUp, example
from tests.system.services import metadata_service

ROOT = "mlflow-artifacts://127.0.0.1:5500/"
_BIN = Path(sys.executable).parent


def _content(folder: Path) -> dict[str, tuple[int, str]]:
    """Times and contents of all files."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in folder.rglob("*")
        if path.is_file()
    }


def _told(process: Process) -> list[str]:
    lines = (line for line in process.log_lines() if line["logger"] == "tandem.folder")
    return [str(line["message"]) for line in lines]


def test_a_folder_is_served_while_others_log_to_it(tmp_path: Path) -> None:
    folder = example("3.17", tmp_path)
    before = _content(folder)
    with metadata_service(tmp_path, str(folder), ROOT, "--workers", "2") as service:
        client = MlflowClient(service.url)
        demo = client.get_experiment_by_name("demo")
        assert demo
        (first,) = client.search_runs([demo.experiment_id], "params.lr = '0.1'")
        assert first.info.run_name == "first"
        assert client.get_model_version_by_alias("fraud", "champion").version == "1"
        made = client.create_run(demo.experiment_id).info.run_id
        said = service.get("/ready").text
        assert said.startswith("OK\n")
        assert f"sqlite:///{tmp_path}/mlflow.db, where new ones go" in said
        assert said.split("\n")[1] in _told(service)
        assert _content(folder) == before
        script = (
            "import mlflow\n"
            "mlflow.set_experiment('demo')\n"
            "with mlflow.start_run(run_name='later'): mlflow.log_metric('m', 1.5)"
        )
        variables = {"MLFLOW_TRACKING_URI": f"file://{folder}", "MLFLOW_ALLOW_FILE_STORE": "true"}
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env=environment(**variables),
            check=True,
        )
        named = "tags.`mlflow.runName` = 'later'"

        def is_there() -> bool:
            found = client.search_runs([demo.experiment_id], named)
            return [run.data.metrics for run in found] == [{"m": 1.5}]

        eventually(is_there, "the later run is there", 60)
    with metadata_service(tmp_path, f"file://{folder}", ROOT) as service:
        client = MlflowClient(service.url)
        assert client.get_run(made).info.run_id == made
        assert len(client.search_runs([demo.experiment_id])) == 3


def test_runs_that_a_new_database_lacks_are_told_of(tmp_path: Path) -> None:
    made = MadeUp(tmp_path)
    made.run(made.experiment())
    command = [_BIN / "tandem-metadata", "serve", "--port=0", f"--default-artifact-root={ROOT}"]
    for number in (1, 0):  # a database that is there was chosen
        log = tmp_path / f"{number}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment(), stdout=output, stderr=output
            )
        try:
            eventually(lambda log=log: "listens on" in log.read_text(), "it listens")  # type: ignore[misc]
            assert log.read_text().count("tandem-metadata import ./mlruns") == number
        finally:
            process.terminate()
            assert process.wait(30) == 0
    assert os.path.exists(tmp_path / "mlflow.db")
