"""What a user does with the stock client, in a process of its own.

Everything that it knows besides its arguments is in MLflow's own variables.
"""

import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import requests

from tests.cluster import names

NAME = "deep/naïve ☃.txt"

# A process that has imported MLflow and scikit-learn is forked; to import them takes seconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["mlflow.sklearn", "sklearn.linear_model", __name__])


def start(
    uri: str, experiment: str, scratch: Path, environment: Mapping[str, str]
) -> "Future[dict[str, Any]]":
    """Run `main` in a new process with this environment, and nothing of this process's."""
    process = ProcessPoolExecutor(1, _processes)
    found = process.submit(_run, uri, experiment, scratch, dict(environment))
    process.shutdown(wait=False)
    return found


def _run(uri: str, experiment: str, scratch: Path, environment: dict[str, str]) -> dict[str, Any]:
    os.environ.clear()
    os.environ.update(environment)
    names.install()
    return main(uri, experiment, scratch)


def main(uri: str, experiment: str, scratch: Path) -> dict[str, Any]:
    """Runs, metrics, artifacts and a model, there and back."""
    import mlflow
    from mlflow import MlflowClient
    from sklearn.linear_model import LogisticRegression

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment)
    source = scratch / "source"
    (source / "deep").mkdir(parents=True)
    (source / NAME).write_text("snow")
    (source / "b.bin").write_bytes(bytes(range(256)) * 4096)
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    with mlflow.start_run() as run:
        mlflow.log_param("lr", 0.1)
        for step in range(5):
            mlflow.log_metric("loss", 1 / (1 + step), step=step)
        mlflow.log_artifacts(str(source), "files")
        mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name=experiment,
            pip_requirements=["scikit-learn"],  # or it starts a process to find out
            serialization_format="cloudpickle",
        )
    client = MlflowClient()
    client.set_registered_model_alias(experiment, "champion", "1")
    target = scratch / "target"
    target.mkdir()
    local = Path(client.download_artifacts(run.info.run_id, "files", str(target)))
    found = mlflow.search_runs(
        experiment_names=[experiment], filter_string="metrics.loss < 0.25 AND params.lr = '0.1'"
    )
    loaded = mlflow.pyfunc.load_model(f"models:/{experiment}@champion")
    return {
        "run_id": run.info.run_id,
        "artifact_uri": run.info.artifact_uri,
        "found": list(found["run_id"]),
        "history": [m.value for m in client.get_metric_history(run.info.run_id, "loss")],
        "listed": [
            [entry.path, entry.is_dir, entry.file_size]
            for entry in client.list_artifacts(run.info.run_id, "files")
        ],
        "same": _content(local) == _content(source),
        "predicted": [int(each) for each in loaded.predict([[0.1], [0.9]])],
        "aliases": dict(client.get_registered_model(experiment).aliases),
        "shown": _shown(uri, run.info.run_id),
    }


def _shown(uri: str, run_id: str) -> dict[str, Any]:
    """What a browser gets from the metadata host alone."""
    with requests.Session() as browser:
        browser.trust_env = False  # a variable would win over `verify`
        browser.verify = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH", False)
        browser.cert = os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
        if user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
            browser.auth = (user.encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
        elif token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
            browser.headers["Authorization"] = f"Bearer {token}"
        query = {"run_id": run_id}
        listed = browser.get(f"{uri}/ajax-api/2.0/mlflow/artifacts/list", params=query)
        query["path"] = f"files/{NAME}"
        fetched = browser.get(f"{uri}/get-artifact", params=query)
        return {
            "listed": [file["path"] for file in listed.json()["files"]],
            "fetched": fetched.content.decode(),
            "page": browser.get(uri).headers["Content-Type"].partition(";")[0],
        }


def _content(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}
