"""Logged models with the stock client, against both services."""

from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.data.pandas_dataset import PandasDataset
from mlflow.entities import LoggedModelInput, LoggedModelOutput
from mlflow.exceptions import MlflowException


@pytest.fixture(autouse=True)
def active_experiment(experiment: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The experiment that the fluent functions use."""
    # Not by set_experiment, which nothing takes back: runs of others could not be resumed then.
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    return experiment


@pytest.fixture
def datasets() -> tuple[PandasDataset, PandasDataset]:
    train, test = (pd.DataFrame({"x": [number]}) for number in (1.0, 2.0))
    return (
        mlflow.data.from_pandas(train, source="train.csv", name="train"),
        mlflow.data.from_pandas(test, source="test.csv", name="test"),
    )


def _names(**search: Any) -> list[str]:
    return [model.name for model in mlflow.search_logged_models(output_format="list", **search)]


def test_a_model_is_created_changed_and_deleted(client: MlflowClient, experiment: str) -> None:
    created = mlflow.initialize_logged_model(
        name="m", params={"lr": "0.1"}, tags={"team": "red"}, model_type="agent"
    )
    assert (created.status, created.params) == ("PENDING", {"lr": "0.1"})
    mlflow.finalize_logged_model(created.model_id, "READY")
    # More than one request holds.
    mlflow.log_model_params({f"p{n}": str(n) for n in range(250)}, model_id=created.model_id)
    mlflow.set_logged_model_tags(created.model_id, {"team": "blue", "a/b": 1})
    mlflow.delete_logged_model_tag(created.model_id, "a/b")
    model = mlflow.get_logged_model(created.model_id)
    assert (model.experiment_id, model.name, model.model_type) == (experiment, "m", "agent")
    assert model.status == "READY"
    assert model.tags["team"] == "blue"
    assert "a/b" not in model.tags
    assert len(model.params) == 251
    client.delete_logged_model(created.model_id)
    with pytest.raises(MlflowException, match=r"Logged model with ID .* not found") as caught:
        mlflow.get_logged_model(created.model_id)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert mlflow.search_logged_models(output_format="list") == []


def test_an_external_model_is_ready_at_once() -> None:
    params = {f"p{number}": "v" for number in range(150)}
    model = mlflow.create_external_model(name="elsewhere", params=params)
    assert (model.status, model.params) == ("READY", params)


def test_metrics_of_models_and_datasets_are_searched(
    datasets: tuple[PandasDataset, PandasDataset],
) -> None:
    train, test = datasets
    for name, accuracies in (("a", (0.5, 0.9)), ("b", (0.7, 0.1)), ("c", None)):
        model = mlflow.create_external_model(name=name, params={"kind": name})
        if accuracies is None:
            continue
        with mlflow.start_run():
            for step, (dataset, accuracy) in enumerate(zip(datasets, accuracies, strict=True)):
                metrics = {"accuracy": accuracy, "rows": 1}
                mlflow.log_metrics(metrics, step, model_id=model.model_id, dataset=dataset)
    assert _names(filter_string="metrics.accuracy > 0.6") == ["b", "a"]
    on_train = [{"dataset_name": "train", "dataset_digest": train.digest}]
    assert _names(filter_string="metrics.accuracy > 0.6", datasets=on_train) == ["b"]
    assert _names(datasets=[{"dataset_name": "test"}]) == ["b", "a"]
    assert _names(filter_string="params.kind IN ('b', 'c') AND name != 'b'") == ["c"]
    by_accuracy = {"field_name": "metrics.accuracy", "dataset_name": "train"}
    assert _names(order_by=[by_accuracy]) == ["a", "b", "c"]
    assert _names(order_by=[{**by_accuracy, "ascending": False}]) == ["b", "a", "c"]
    assert _names(order_by=[{"field_name": "name"}], max_results=2) == ["a", "b"]
    frame = mlflow.search_logged_models(order_by=[{"field_name": "creation_time"}])
    assert list(frame["name"]) == ["a", "b", "c"]
    (found,) = mlflow.search_logged_models(filter_string="name = 'b'", output_format="list")
    accuracy = {each.dataset_name: each for each in found.metrics if each.key == "accuracy"}
    assert {name: each.value for name, each in accuracy.items()} == {"train": 0.7, "test": 0.1}
    assert accuracy["test"].dataset_digest == test.digest


def test_a_search_follows_the_pages(client: MlflowClient, experiment: str) -> None:
    made = {mlflow.create_external_model(name=f"m{number}").model_id for number in range(5)}
    found = []
    token = None
    while True:
        page = client.search_logged_models([experiment], max_results=2, page_token=token)
        found += [model.model_id for model in page]
        token = page.token
        if not token:
            break
    assert len(found) == 5
    assert set(found) == made


def test_runs_read_and_write_models(client: MlflowClient) -> None:
    read, written = (mlflow.create_external_model(name=name).model_id for name in ("r", "w"))
    with mlflow.start_run() as run:
        client.log_inputs(run.info.run_id, models=[LoggedModelInput(read)])
        mlflow.log_outputs([LoggedModelOutput(written, step=3)])
    found = client.get_run(run.info.run_id)
    assert [each.model_id for each in found.inputs.model_inputs] == [read]
    assert [(each.model_id, each.step) for each in found.outputs.model_outputs] == [(written, 3)]


def test_a_metric_for_an_unknown_model_is_refused(client: MlflowClient) -> None:
    with mlflow.start_run() as run:
        with pytest.raises(MlflowException) as caught:
            client.log_metric(run.info.run_id, "a", 1.0, model_id="m-" + "0" * 32)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert client.get_run(run.info.run_id).data.metrics == {}
