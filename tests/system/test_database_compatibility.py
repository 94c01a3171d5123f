"""One database, used by Tandem and by MLflow's own server, in turn and at once."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from tests.postgresql import PostgreSQL
from tests.system import registry_content, services

ARTIFACT_ROOT = "mlflow-artifacts://127.0.0.1:5500/"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, as both servers understand it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mlflow.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = server.create()
    # MLflow would look for psycopg 2 without the driver's name.
    yield server.uri(name).replace("postgresql://", "postgresql+psycopg://")
    server.drop(name)


@contextlib.contextmanager
def _tandem(directory: Path, address: str) -> Iterator[str]:
    with services.metadata_service(directory, address, ARTIFACT_ROOT) as service:
        yield service.url


@contextlib.contextmanager
def _mlflow(directory: Path, address: str) -> Iterator[str]:
    """MLflow's own server over the given database, which it makes if it is empty."""
    with services.mlflow_server(directory, database=address, artifact_root=ARTIFACT_ROOT) as server:
        yield server.url


def test_mlflow_upgrades_and_reads_what_tandem_made_and_both_go_on(
    address: str, tmp_path: Path
) -> None:
    with _tandem(tmp_path, address) as tandem:
        _fill(tandem, "before")
        made = _read(tandem)
    _expect_everything(made)
    services.mlflow_upgrade(address)
    with _mlflow(tmp_path, address) as mlflow, _tandem(tmp_path, address) as tandem:
        assert _read(mlflow) == made
        _take_turns(mlflow, tandem)


def test_tandem_reads_and_writes_what_mlflow_made_and_both_go_on(
    address: str, tmp_path: Path
) -> None:
    with _mlflow(tmp_path, address) as mlflow:
        _fill(mlflow, "before")
        made = _read(mlflow)
        _expect_everything(made)
        with _tandem(tmp_path, address) as tandem:
            assert _read(tandem) == made
            _take_turns(mlflow, tandem)


def _expect_everything(made: dict[str, Any]) -> None:
    """That what was read is what `_fill` wrote once, and not nothing on both sides."""
    assert {kind: len(found) for kind, found in made.items() if kind != "history"} == {
        "experiments": 3,
        "runs": 4,
        "run": 4,
        "datasets": 2,
        "models": 2,
        "prompts": 1,
        "versions": 6,
        "model": 3,
        "version": 6,
        "location": 6,
        "logged": 3,
        "logged model": 3,
    }
    histories = made["history"].values()
    values = {metric["value"] for history in histories for metric in history["metrics"]}
    # MLflow keeps infinities as the largest doubles.
    assert {"NaN", sys.float_info.max, -sys.float_info.max} <= values
    assert max(len(history["metrics"]) for history in histories) == 19


def _take_turns(mlflow: str, tandem: str) -> None:
    for writer, name in ((tandem, "by Tandem"), (mlflow, "by MLflow")):
        _fill(writer, name)
        read = _read(tandem)
        assert read == _read(mlflow)
        assert {name, f"{name}, deleted"} <= {found["name"] for found in read["experiments"]}
        assert f"model {name}" in {found["name"] for found in read["models"]}


def _fill(url: str, name: str) -> None:
    """Everything that runs and the registry hold, with the values that are hard to keep."""
    client = MlflowClient(url)
    experiment = client.create_experiment(name, tags={"team": "blue", "empty": ""})
    client.set_experiment_tag(experiment, "mlflow.note.content", "n" * 20_000)
    run = client.create_run(experiment, start_time=1, run_name=f"run {name}", tags={"a": "1"})
    client.log_batch(run.info.run_id, _metrics(), _params(), [RunTag("tag é", "v" * 8000)])
    client.log_inputs(run.info.run_id, [_input("train", "training"), _input("test", "testing")])
    client.set_terminated(run.info.run_id, "FINISHED", end_time=2)
    child = client.create_run(experiment, tags={"mlflow.parentRunId": run.info.run_id})
    client.log_inputs(child.info.run_id, [_input("train", "training")])
    client.log_metric(child.info.run_id, "loss", 0.1, timestamp=5, step=2)
    client.log_metric(child.info.run_id, "loss", 0.2, timestamp=4, step=2)
    client.log_param(child.info.run_id, "p", "0.30000000000000004")
    client.delete_run(client.create_run(experiment, start_time=3).info.run_id)
    client.delete_experiment(client.create_experiment(f"{name}, deleted"))
    client.set_experiment_tag("0", name, "seen")
    registry_content.fill(url, name)


def _metrics() -> list[Metric]:
    values = [1.5, -0.0, 5e-324, 1.7976931348623157e308, float("nan"), float("inf"), -float("inf")]
    metrics = [Metric(f"m/{i}", value, timestamp=10, step=-3) for i, value in enumerate(values)]
    metrics += [Metric("loss", 1 / step, timestamp=step, step=step) for step in range(1, 20)]
    metrics.append(Metric("far", 1.0, timestamp=2**53, step=2**62))
    return metrics


def _params() -> list[Param]:
    return [Param("lr", "0.1"), Param("long", "x" * 6000), Param("path/ key", "日本 'quoted' %")]


def _input(name: str, context: str) -> DatasetInput:
    dataset = Dataset(name, f"digest-{name}", "local", '{"uri": "/data"}', '{"x": 1}', '{"n": 2}')
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])


def _read(url: str) -> dict[str, Any]:
    """All that the server answers about experiments, runs, histories, models and prompts."""
    experiments = _ask(url, "experiments/search", max_results=1000, view_type="ALL")["experiments"]
    ids = [found["experiment_id"] for found in experiments]
    runs = _ask(url, "runs/search", experiment_ids=ids, max_results=1000, run_view_type="ALL")
    datasets = _ask(url, "experiments/search-datasets", experiment_ids=ids)
    whole = {run["info"]["run_id"]: _get(url, "runs/get", run=run) for run in runs["runs"]}
    for run in runs["runs"]:
        run["inputs"].pop("model_inputs", None)  # MLflow leaves them out of what it finds
    return {
        "experiments": [_in_order(found) for found in experiments],
        "runs": {run["info"]["run_id"]: _in_order(run) for run in runs["runs"]},
        "run": _in_order(whole),
        "datasets": sorted(map(_fields, datasets["dataset_summaries"])),
        "history": {
            (run["info"]["run_id"], metric["key"]): _in_order(
                _get(url, "metrics/get-history", run=run, metric_key=metric["key"])
            )
            for run in runs["runs"]
            for metric in run["data"].get("metrics", [])
        },
        **_in_order(registry_content.read(url, ids)),
    }


def _get(url: str, path: str, *, run: dict[str, Any], **query: str) -> Any:
    query["run_id"] = run["info"]["run_id"]
    answer = requests.get(f"{url}/api/2.0/mlflow/{path}", query, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def _ask(url: str, path: str, **body: Any) -> Any:
    answer = requests.post(f"{url}/ajax-api/2.0/mlflow/{path}", json=body, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


def _in_order(value: Any) -> Any:
    """The same JSON with its lists sorted: the order of tags and params says nothing."""
    if isinstance(value, dict):
        return {name: _in_order(item) for name, item in value.items()}
    if isinstance(value, list):
        return sorted(map(_in_order, value), key=repr)
    return value


def _fields(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(value.items())
