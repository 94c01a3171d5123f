"""Datasets and models as inputs and outputs of runs."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.messages.datasets import Dataset, DatasetInput, InputTag
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import datasets
from tests.metadata.logging_client import Client, Json, assert_refused, new_run, opened

INPUTS = "runs/log-inputs"
OUTPUTS = "runs/outputs"
SEARCH = "experiments/search-datasets"


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[Client]:
    with opened(settings, database) as made:
        yield made


def use(name: object = "d", digest: object = "g", context: str = "train", **more: object) -> Json:
    dataset = {"name": name, "digest": digest, "source_type": "local", "source": "s", **more}
    return {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": context}]}


def tagged(*tags: Json) -> Json:
    return {**use(), "tags": list(tags)}


def test_a_dataset_is_read_back_as_logged(client: Client) -> None:
    logged = use(schema="{}", profile="[]")
    client.log(INPUTS, datasets=[logged])
    assert client.run()["inputs"]["dataset_inputs"] == [logged]


def test_a_dataset_is_stored_once_in_an_experiment_and_used_once_by_a_run(client: Client) -> None:
    other = new_run(client.database)
    client.log(INPUTS, datasets=[use(), use(context="second in the request")])
    client.log(INPUTS, datasets=[use(context="second request", source="elsewhere"), use("e")])
    assert client.post(INPUTS, {"run_id": other, "datasets": [use(context="eval")]}) == (200, {})
    assert client.run()["inputs"]["dataset_inputs"] == [use(), use("e")]
    assert client.run(other)["inputs"]["dataset_inputs"] == [use(context="eval")]
    assert len(client.rows("datasets")) == 2
    assert len(client.rows("inputs")) == 3


def test_clients_that_log_the_same_datasets_at_once_share_them(client: Client) -> None:
    run_ids = [new_run(client.database) for _ in range(12)]

    def log(index: int) -> None:
        names = [f"d{number}" for number in range(5)]
        used = [
            DatasetInput(Dataset(name, "g", "local", "s"), [InputTag("k", "v")])
            for name in (names if index % 2 else names[::-1])
        ]
        with client.database.write() as conn:
            datasets.log_inputs(conn, run_ids[index], used, [])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log, range(12)))
    assert len(client.rows("datasets")) == 5
    assert len(client.rows("inputs")) == len(client.rows("input_tags")) == 60


def test_models_are_inputs_once_and_outputs_with_their_step(client: Client) -> None:
    for _ in range(2):
        client.log(INPUTS, models=[{"model_id": "m-2"}, {"model_id": "m-1"}, {"model_id": "m-1"}])
        client.log(OUTPUTS, models=[{"model_id": "m-1", "step": "5"}])
    client.log(OUTPUTS, models=[])
    run = client.run()
    assert run["inputs"]["model_inputs"] == [{"model_id": "m-1"}, {"model_id": "m-2"}]
    assert run["outputs"]["model_outputs"] == [{"model_id": "m-1", "step": 5}]


def test_an_output_at_another_step_is_refused(client: Client) -> None:
    client.log(OUTPUTS, models=[{"model_id": "m-1", "step": 1}])
    for models in (
        [{"model_id": "m-2", "step": 1}, {"model_id": "m-1", "step": 2}],
        [{"model_id": "m-3", "step": 1}, {"model_id": "m-3", "step": 2}],
    ):
        assert_refused(client.post(OUTPUTS, {"run_id": client.run_id, "models": models}), "step")
    assert client.run()["outputs"]["model_outputs"] == [{"model_id": "m-1", "step": 1}]


def test_nothing_to_log_is_fine(client: Client) -> None:
    client.log(INPUTS)
    client.log(INPUTS, datasets=[], models=None)
    assert client.is_untouched()


@pytest.mark.parametrize(
    ("bad", "naming"),
    [
        ({}, "dataset"),
        ({"dataset": {"digest": "g", "source_type": "t", "source": "s"}}, "name"),
        ({"dataset": {"name": "n", "source_type": "t", "source": "s"}}, "digest"),
        ({"dataset": {"name": "n", "digest": "g", "source": "s"}}, "source_type"),
        ({"dataset": {"name": "n", "digest": "g", "source_type": "t"}}, "source"),
        (3, "datasets"),
        (use(""), "name"),
        (use(3), "name"),
        (use("n" * 501), "name"),
        (use("a\x1bb"), "name"),
        (use("a\x00b"), "name"),
        (use(digest=""), "digest"),
        (use(digest="g" * 37), "digest"),
        (use(source_type="t" * 37), "source_type"),
        (use(source="s" * 65_536), "source"),
        (use(schema="s" * 1_048_576), "schema"),
        (use(profile="p" * 16_777_216), "profile"),
        (tagged({"key": "k"}), "value"),
        (tagged({"value": "v"}), "key"),
        (tagged({"key": "", "value": "v"}), "key"),
        (tagged({"key": "k" * 256, "value": "v"}), "key"),
        (tagged({"key": "k", "value": "v" * 501}), "value"),
        (tagged({"key": "k", "value": "1"}, {"key": "k", "value": "2"}), "tags[1].key"),
    ],
)
def test_a_bad_dataset_is_refused_and_nothing_is_stored(
    client: Client, bad: object, naming: str
) -> None:
    body = {"run_id": client.run_id, "datasets": [use("good"), bad]}
    assert_refused(client.post(INPUTS, body), naming)
    assert client.is_untouched()


@pytest.mark.parametrize(
    "bad",
    [
        {}, {"step": 1}, {"model_id": "", "step": 1}, {"model_id": 3, "step": 1},
        {"model_id": "m" * 37, "step": 1}, {"model_id": "a\x1bb", "step": 1},
        {"model_id": "a\x00b", "step": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [INPUTS, OUTPUTS])
def test_a_bad_model_is_refused_and_nothing_is_stored(client: Client, path: str, bad: Json) -> None:
    body = {"run_id": client.run_id, "models": [{"model_id": "m", "step": 1}, bad]}
    assert_refused(client.post(path, body), "model_id")
    assert client.is_untouched()


@pytest.mark.parametrize("step", [None, "x", 2**63, 1.5])
def test_a_bad_step_is_refused(client: Client, step: object) -> None:
    body = {"run_id": client.run_id, "models": [{"model_id": "m", "step": step}]}
    assert_refused(client.post(OUTPUTS, body), "step")
    assert client.is_untouched()


@pytest.mark.parametrize(("path", "field"), [(INPUTS, "run_id"), (OUTPUTS, "run_id")])
def test_missing_unknown_and_deleted_runs_are_refused(
    client: Client, path: str, field: str
) -> None:
    body: Json = {"datasets": [use()], "models": [{"model_id": "m", "step": 1}]}
    assert_refused(client.post(path, body), field)
    assert_refused(client.post(path, {**body, "run_id": "nope"}), "nope", "RESOURCE_DOES_NOT_EXIST")
    client.delete_run(client.run_id)
    assert_refused(client.post(path, {**body, "run_id": client.run_id}), client.run_id)
    assert client.is_untouched()


def test_summaries_name_each_context_of_a_dataset_once(client: Client) -> None:
    other = new_run(client.database)
    client.log(INPUTS, datasets=[use("b"), use("a"), {**use("c"), "tags": []}])
    client.post(INPUTS, {"run_id": other, "datasets": [use("b"), use("a", context="eval")]})
    expected = [("a", "eval"), ("a", "train"), ("b", "train"), ("c", None)]
    status, body = client.post(SEARCH, {"experiment_ids": ["0", "77"]})
    assert status == 200
    summaries = body["dataset_summaries"]
    assert [(each["name"], each.get("context")) for each in summaries] == expected
    assert {(each["experiment_id"], each["digest"]) for each in summaries} == {("0", "g")}


def test_an_unknown_experiment_has_no_datasets(client: Client) -> None:
    assert client.post(SEARCH, {"experiment_ids": ["77"]}) == (200, {})


@pytest.mark.parametrize("ids", [None, [], ["abc"], "0", [0], ["0"] * 21])
def test_bad_experiment_ids_are_refused(client: Client, ids: object) -> None:
    body = {} if ids is None else {"experiment_ids": ids}
    assert_refused(client.post(SEARCH, body), "experiment")
