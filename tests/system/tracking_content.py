"""Experiments, runs, models and prompts as a server keeps them: written, and read back."""

from typing import Any

import requests
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from tests.system import registry_content


def fill(url: str, name: str) -> None:
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


def read(url: str) -> dict[str, Any]:
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
