"""Metrics that are logged to a run and to a logged model, and runs that read and write models."""

import pytest
from sqlalchemy import select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.logged_models import logged_model_metrics
from tandem_metadata.settings import Settings
from tests.metadata.api import INVALID, Json
from tests.metadata.logged_models_api import MODELS, LoggedModels, assert_refused

METRIC = {"key": "acc", "value": 0.5, "timestamp": 7, "step": 3}
DATASET = {"dataset_name": "train", "dataset_digest": "d1"}


@pytest.fixture
def api(settings: Settings, database: Database) -> LoggedModels:
    return LoggedModels(settings, database)


@pytest.fixture
def run_id(api: LoggedModels) -> str:
    return api.run()


@pytest.fixture
def model_id(api: LoggedModels) -> str:
    return api.model_id()


def test_metric_is_logged_to_the_run_and_the_logged_model(
    api: LoggedModels, database: Database, run_id: str, model_id: str
) -> None:
    body = {"run_id": run_id, "model_id": model_id, **METRIC, **DATASET}
    for _ in range(2):
        assert api.call("runs/log-metric", **body) == {}
    assert api.run_metrics(run_id) == [METRIC]
    assert api.model_metrics(model_id) == [
        {**METRIC, **DATASET, "run_id": run_id, "model_id": model_id}
    ]
    with database.read() as conn:
        (row,) = conn.execute(select(logged_model_metrics))
    assert (row.experiment_id, row.dataset_uuid) == (0, None)  # as MLflow has it


def test_batch_logs_metrics_to_several_logged_models(
    api: LoggedModels, run_id: str, model_id: str
) -> None:
    other = api.model_id()
    metrics: list[Json] = [
        {**METRIC, "model_id": model_id},
        {**METRIC, "model_id": model_id},
        {**METRIC, "model_id": other, **DATASET},
        {**METRIC, "model_id": "", "dataset_name": "", "key": "alone"},
        {**METRIC, "model_id": model_id, "key": "nan", "value": "NaN"},
        {"key": "new", "value": 1, "timestamp": 1, "model_id": model_id},
    ]
    for _ in range(2):
        assert api.call("runs/log-batch", run_id=run_id, metrics=metrics) == {}
    assert [each["key"] for each in api.run_metrics(run_id)] == ["acc", "alone", "nan", "new"]
    found = [(each["key"], each["value"], each["step"]) for each in api.model_metrics(model_id)]
    assert found == [("acc", 0.5, 3), ("nan", 0.0, 3), ("new", 1.0, 0)]
    assert [each["dataset_name"] for each in api.model_metrics(other)] == ["train"]


def test_metrics_of_a_second_run_are_added_to_a_logged_model(
    api: LoggedModels, run_id: str, model_id: str
) -> None:
    other = api.run()
    for run, value in ((run_id, 1.0), (other, 2.0)):
        body = {"run_id": run, "model_id": model_id, **METRIC, "value": value}
        api.call("runs/log-metric", **body)
    found = {each["run_id"]: each["value"] for each in api.model_metrics(model_id)}
    assert found == {run_id: 1.0, other: 2.0}


def test_metrics_of_a_deleted_logged_model_are_accepted(
    api: LoggedModels, run_id: str, model_id: str
) -> None:
    api.call(f"{MODELS}/{model_id}", "DELETE")
    api.call("runs/log-metric", run_id=run_id, model_id=model_id, **METRIC)
    assert len(api.get(model_id, allow_deleted="true")["data"]["metrics"]) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"key": "b", "model_id": "m-0"},
        {"key": "b", "model_id": "m" * 100},
        {"key": "b", "model_id": 5},
        {"key": "b", "dataset_name": "d"},
        {"key": "b", "dataset_digest": "d"},
        {"value": 0.75},
        {**DATASET},
    ],
)
def test_batch_with_a_metric_that_a_logged_model_cannot_hold_is_refused(
    api: LoggedModels, run_id: str, model_id: str, bad: Json
) -> None:
    api.call("runs/log-metric", run_id=run_id, model_id=model_id, **METRIC)
    before = api.run_metrics(run_id), api.model_metrics(model_id)
    good = {**METRIC, "key": "good", "model_id": model_id}
    wrong = {**METRIC, "model_id": model_id, **bad}
    body: Json = {"run_id": run_id, "metrics": [good, wrong]}
    assert_refused(api.refusal("runs/log-batch", **body), INVALID)
    assert_refused(api.refusal("runs/log-metric", run_id=run_id, **wrong), INVALID)
    assert (api.run_metrics(run_id), api.model_metrics(model_id)) == before


def test_batch_with_contradicting_metrics_of_a_logged_model_is_refused(
    api: LoggedModels, run_id: str, model_id: str
) -> None:
    metrics = [{**METRIC, "model_id": model_id, "value": value} for value in (1, 2)]
    body = {"run_id": run_id, "metrics": metrics}
    assert_refused(api.refusal("runs/log-batch", **body), INVALID, "'acc'")
    assert api.run_metrics(run_id) == api.model_metrics(model_id) == []


def test_run_shows_its_model_inputs_and_outputs(
    api: LoggedModels, run_id: str, model_id: str
) -> None:
    api.call("runs/log-inputs", run_id=run_id, models=[{"model_id": model_id}])
    written = {"model_id": model_id, "step": 4}
    api.call("runs/outputs", run_id=run_id, models=[written])
    found = api.call("runs/search", experiment_ids=["0"])["runs"]
    for run in (api.call("runs/get", run_id=run_id)["run"], found[0]):
        assert run["inputs"] == {"model_inputs": [{"model_id": model_id}]}
        assert run["outputs"] == {"model_outputs": [written]}
