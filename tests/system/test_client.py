"""The stock client against both services: experiments, runs, logging, search, datasets."""

import functools
import math
import uuid

import mlflow
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException

from tests.system.services import Stack


def test_the_services_tell_the_client_its_own_version(stack: Stack) -> None:
    for service in (stack.metadata, stack.artifacts):
        assert requests.get(service.url + "/version").text == mlflow.__version__


def test_the_default_experiment_is_there(client: MlflowClient, stack: Stack) -> None:
    default = client.get_experiment_by_name("Default")
    assert default is not None
    assert default.experiment_id == "0"
    assert default.artifact_location == f"mlflow-artifacts://{stack.artifacts_host}/0"


def test_experiments_live_their_whole_life(client: MlflowClient) -> None:
    name = f"life-{uuid.uuid4().hex}"
    made = client.create_experiment(name, tags={"team": "blue"})
    client.set_experiment_tag(made, "note", "naïve ☃")
    client.set_experiment_tag(made, "gone", "x")
    client.delete_experiment_tag(made, "gone")
    client.rename_experiment(made, f"{name}-renamed")
    assert client.get_experiment_by_name(name) is None
    found = client.get_experiment(made)
    assert found.name == f"{name}-renamed"
    assert found.tags == {"team": "blue", "note": "naïve ☃"}
    client.delete_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "deleted"
    client.restore_experiment(made)
    assert client.get_experiment(made).lifecycle_stage == "active"
    with pytest.raises(RestException) as caught:
        client.create_experiment(f"{name}-renamed")
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_experiments_are_searched_ordered_and_paged(client: MlflowClient) -> None:
    mark = uuid.uuid4().hex
    for letter in "cab":
        client.create_experiment(f"{mark}-{letter}", tags={"letter": letter})
    client.delete_experiment(client.get_experiment_by_name(f"{mark}-c").experiment_id)
    ours = f"name LIKE '{mark}-%'"

    def letters(**options: object) -> list[str]:
        return [each.name[-1] for each in client.search_experiments(**options)]

    assert letters(filter_string=ours, order_by=["name DESC"]) == ["b", "a"]
    assert letters(filter_string=ours, view_type=ViewType.DELETED_ONLY) == ["c"]
    assert letters(filter_string=f"{ours} AND tags.letter = 'a'") == ["a"]
    everything = {"filter_string": ours, "view_type": ViewType.ALL, "order_by": ["name"]}
    first = client.search_experiments(**everything, max_results=2)
    second = client.search_experiments(**everything, max_results=2, page_token=first.token)
    assert [each.name[-1] for each in [*first, *second]] == ["a", "b", "c"]
    assert not second.token


def test_a_training_loop_is_read_back(client: MlflowClient, experiment: str) -> None:
    with mlflow.start_run(experiment_id=experiment, run_name="train", tags={"k": "v"}) as run:
        mlflow.log_params({"lr": 0.1, "layers": [1, 2], "text": "naïve\n☃"})
        for step in range(20):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.log_metrics({"acc": step / 20, "lr": 0.1}, step=step)
        mlflow.set_tags({"stage": "done", "count": 3})
        mlflow.log_metric("late", 5, synchronous=False).wait()
    read = client.get_run(run.info.run_id)
    assert read.info.status == "FINISHED"
    assert read.info.run_name == "train"
    assert read.info.end_time >= read.info.start_time
    assert read.data.params == {"lr": "0.1", "layers": "[1, 2]", "text": "naïve\n☃"}
    assert read.data.metrics == {"loss": 0.05, "acc": 0.95, "lr": 0.1, "late": 5.0}
    assert read.data.tags.items() >= {("k", "v"), ("stage", "done"), ("count", "3")}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(i, 1 / (i + 1)) for i in range(20)]


def test_a_failing_run_is_marked_as_failed(client: MlflowClient, experiment: str) -> None:
    with pytest.raises(ZeroDivisionError), mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("x", 1 / 0)
    assert client.get_run(run.info.run_id).info.status == "FAILED"


def test_a_run_is_resumed_and_nested(client: MlflowClient, experiment: str) -> None:
    start = functools.partial(mlflow.start_run, experiment_id=experiment)
    with start() as parent, start(nested=True) as child:
        mlflow.log_param("depth", 1)
    with mlflow.start_run(run_id=parent.info.run_id):
        mlflow.log_metric("again", 1)
    assert client.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    assert client.get_run(parent.info.run_id).info.status == "FINISHED"
    found = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert [each.info.run_id for each in found] == [child.info.run_id]


def test_a_batch_of_a_thousand_is_stored(client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    metrics = [Metric(f"m{i % 80}", i, 1700000000000 + i, i) for i in range(800)]
    params = [Param(f"p{i}", str(i)) for i in range(100)]
    tags = [RunTag(f"t{i}", str(i)) for i in range(100)]
    client.log_batch(run_id, metrics, params, tags)
    client.log_batch(run_id, metrics, params, tags)
    data = client.get_run(run_id).data
    assert data.metrics == {f"m{i}": 720.0 + i for i in range(80)}
    assert data.params == {f"p{i}": str(i) for i in range(100)}
    assert data.tags.items() >= {(f"t{i}", str(i)) for i in range(100)}
    assert len(client.get_metric_history(run_id, "m0")) == 10


def test_a_long_metric_history_comes_in_pages(client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    for start in range(0, 30_000, 1000):
        points = [Metric("m", i, 1700000000000 + i, i) for i in range(start, start + 1000)]
        client.log_batch(run_id, points)
    history = client.get_metric_history(run_id, "m")
    assert [each.step for each in history] == list(range(30_000))


def test_values_that_are_no_numbers_come_back(client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    for key, value in (("nan", math.nan), ("up", math.inf), ("down", -math.inf), ("big", 1e300)):
        client.log_metric(run_id, key, value)
    metrics = client.get_run(run_id).data.metrics
    assert math.isnan(metrics.pop("nan"))
    # The infinities are stored as the largest doubles, as MLflow stores them.
    largest = 1.7976931348623157e308
    assert metrics == {"up": largest, "down": -largest, "big": 1e300}


def test_a_param_is_set_once(client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "p", 1)
    client.log_param(run_id, "p", 1)
    with pytest.raises(MlflowException) as caught:
        client.log_param(run_id, "p", 2)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert client.get_run(run_id).data.params == {"p": "1"}


def test_runs_are_updated_deleted_and_restored(client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment, run_name="old", tags={"t": "1"}).info.run_id
    client.update_run(run_id, status="KILLED", name="new")
    assert client.get_run(run_id).info.run_name == "new"
    assert client.get_run(run_id).data.tags["mlflow.runName"] == "new"
    client.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED), end_time=1700000000000)
    assert client.get_run(run_id).info.end_time == 1700000000000
    client.delete_tag(run_id, "t")
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    assert client.search_runs([experiment]) == []
    with pytest.raises(MlflowException, match=f"The run {run_id} must be in the 'active' state"):
        client.log_metric(run_id, "m", 1)
    client.restore_run(run_id)
    assert [run.info.run_id for run in client.search_runs([experiment])] == [run_id]
    assert "t" not in client.get_run(run_id).data.tags


def test_deleting_an_experiment_takes_its_runs_along(client: MlflowClient, experiment: str) -> None:
    run_id = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_runs_are_searched_ordered_and_paged(client: MlflowClient, experiment: str) -> None:
    ids = []
    for index in range(7):
        run = client.create_run(experiment, run_name=f"r{index}", start_time=1000 + index)
        run_id = run.info.run_id
        ids.append(run_id)
        client.log_metric(run_id, "acc", math.nan if index == 3 else index / 10)
        client.log_param(run_id, "opt", "adam" if index % 2 else "SGD")
        client.set_tag(run_id, "with space", f"v{index}")

    def names(filter: str = "", **options: object) -> list[str]:
        return [run.info.run_name for run in client.search_runs([experiment], filter, **options)]

    assert names() == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]
    assert names("metrics.acc > 0.35 AND params.opt = 'adam'") == ["r5"]
    assert names("params.opt ILIKE 'sg_' AND attributes.start_time < 1003") == ["r2", "r0"]
    assert names("tags.`with space` = 'v1'") == ["r1"]
    some = f"attributes.run_id IN ('{ids[2]}', '{ids[1]}')"
    assert names(some, order_by=["run_name"]) == ["r1", "r2"]
    ordered = names(order_by=["metrics.acc DESC"])
    assert ordered == ["r6", "r5", "r4", "r2", "r1", "r0", "r3"]
    paged, token = [], None
    while True:
        page = client.search_runs(
            [experiment], max_results=3, order_by=["metrics.acc DESC"], page_token=token
        )
        paged += [run.info.run_name for run in page]
        token = page.token
        if not token:
            break
    assert paged == ordered


def test_runs_become_a_data_frame(client: MlflowClient, experiment: str) -> None:
    for value in (1, 2):
        with mlflow.start_run(experiment_id=experiment):
            mlflow.log_metric("m", value)
            mlflow.log_param("p", value)
    frame = mlflow.search_runs([experiment], order_by=["metrics.m"])
    assert list(frame["metrics.m"]) == [1.0, 2.0]
    assert list(frame["params.p"]) == ["1", "2"]


def test_datasets_are_logged_and_found(client: MlflowClient, experiment: str) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    table = mlflow.data.from_pandas(frame, source="/data/t.csv", name="table")
    array = mlflow.data.from_numpy(np.zeros((2, 2)), source="/data/z.npy", name="zeros")
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_input(table, context="training", tags={"k": "v"})
        mlflow.log_input(array, context="eval")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    read = {each.dataset.name: each for each in inputs}
    assert read["table"].dataset.digest == table.digest
    assert {tag.key: tag.value for tag in read["table"].tags} == {
        "mlflow.data.context": "training",
        "k": "v",
    }
    assert read["zeros"].dataset.profile == array.to_dict()["profile"]
    for text in ("datasets.name = 'table'", "dataset.context = 'eval'"):
        found = client.search_runs([experiment], text)
        assert [each.info.run_id for each in found] == [run.info.run_id]
    assert client.search_runs([experiment], "datasets.name = 'other'") == []
