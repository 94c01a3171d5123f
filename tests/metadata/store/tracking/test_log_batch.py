"""Metrics, params and tags in one request: all or none."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.messages.batch import LogBatch, LoggedEntry
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_entry
from tests.metadata.logging_client import Client, Json, assert_refused, log_to_run, opened

PATH = "runs/log-batch"


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[Client]:
    with opened(settings, database) as made:
        yield made


def metric(key: str = "m", value: object = 1.0, timestamp: object = 1, step: object = 0) -> Json:
    return {"key": key, "value": value, "timestamp": timestamp, "step": step}


def entry(key: str, value: object = "1") -> Json:
    return {"key": key, "value": value}


def entries(count: int) -> list[Json]:
    return [entry(f"k{index}") for index in range(count)]


def metrics(count: int) -> list[Json]:
    return [metric(f"k{index}") for index in range(count)]


def test_everything_is_stored(client: Client) -> None:
    client.log(PATH, metrics=[metric()], params=[entry("p")], tags=[entry("t", "é")])
    data = client.run()["data"]
    assert data["metrics"] == [metric()]
    assert data["params"] == [entry("p")]
    assert data["tags"] == [entry("t", "é")]


def test_an_empty_batch_and_null_lists_are_fine(client: Client) -> None:
    client.log(PATH)
    client.log(PATH, metrics=None, params=[], tags=None)
    assert client.is_untouched()


def test_the_greatest_of_many_values_of_a_key_is_the_latest(client: Client) -> None:
    client.log(
        PATH,
        metrics=[metric(step=2), metric(step=9, value=3), metric(step=9, value="NaN"), metric()],
    )
    assert client.run()["data"]["metrics"] == [metric(step=9, value=3.0)]
    client.log(PATH, metrics=[metric(step=8), metric(step=8)])
    assert client.run()["data"]["metrics"] == [metric(step=9, value=3.0)]
    assert len(client.rows("metrics")) == 5


def test_a_full_batch_is_stored(client: Client) -> None:
    client.log(PATH, metrics=metrics(1000))
    client.log(PATH, metrics=metrics(800), params=entries(100), tags=entries(100))
    data = client.run()["data"]
    assert [len(data[name]) for name in ("metrics", "params", "tags")] == [1000, 100, 100]


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({"metrics": metrics(1001)}, "at most 1000 metrics"),
        ({"params": entries(101)}, "at most 100 params"),
        ({"tags": entries(101)}, "at most 100 tags"),
        ({"metrics": metrics(999), "params": entries(1), "tags": entries(1)}, "at most 1000"),
    ],
)
def test_more_than_the_limits_is_refused(client: Client, body: Json, limit: str) -> None:
    assert_refused(client.post(PATH, {"run_id": client.run_id, **body}), limit)
    assert client.is_untouched()


def test_a_param_with_another_value_refuses_the_whole_batch(client: Client) -> None:
    client.log("runs/log-parameter", key="p", value="1")
    body = {"metrics": [metric()], "params": [entry("a"), entry("p", "2")], "tags": [entry("t")]}
    answer = client.post(PATH, {"run_id": client.run_id, **body})
    assert_refused(answer, "'p' is '1', not '2'")
    assert client.run()["data"] == {"params": [entry("p")]}


@pytest.mark.parametrize("second", ["1", "2"])
def test_a_param_given_twice_is_refused(client: Client, second: str) -> None:
    body = {"run_id": client.run_id, "params": [entry("p"), entry("p", second)]}
    assert_refused(client.post(PATH, body), "'p'")
    assert client.is_untouched()


def test_of_a_tag_given_twice_the_last_counts(client: Client) -> None:
    client.log(PATH, tags=[entry("t", "1"), entry("t", "2")])
    assert client.run()["data"]["tags"] == [entry("t", "2")]


def test_the_run_name_tag_renames_the_run_unless_it_is_empty(client: Client) -> None:
    client.log(PATH, tags=[entry("mlflow.runName", "second")])
    client.log(PATH, tags=[entry("mlflow.runName", "")])
    run = client.run()
    assert run["info"]["run_name"] == "second"
    assert run["data"]["tags"] == [entry("mlflow.runName", "second")]


@pytest.mark.parametrize(
    ("body", "naming"),
    [
        ({"metrics": {}}, "metrics"),
        ({"metrics": [3]}, "metrics"),
        ({"metrics": [None]}, "metrics"),
        ({"metrics": [{"value": 1, "timestamp": 1}]}, "key"),
        ({"metrics": [{"key": "a", "timestamp": 1}]}, "value"),
        ({"metrics": [{"key": "a", "value": 1}]}, "timestamp"),
        ({"metrics": [metric(), metric(value="x")]}, "value"),
        ({"metrics": [metric(), metric(timestamp=-1)]}, "metrics[1].timestamp"),
        ({"metrics": [metric(step=2**63)]}, "step"),
        ({"metrics": [metric(), metric("a//b")]}, "metrics[1].key"),
        ({"metrics": [metric("k" * 251)]}, "metrics[0].key"),
        ({"params": "p"}, "params"),
        ({"params": [{"value": "1"}]}, "key"),
        ({"params": [entry("")]}, "key"),
        ({"params": [entry("a"), entry("a\tb")]}, "params[1].key"),
        ({"params": [entry("k" * 251)]}, "params[0].key"),
        ({"params": [entry("a", 1)]}, "value"),
        ({"params": [entry("a", "\x00")]}, "value"),
        ({"tags": [{"value": "1"}]}, "key"),
        ({"tags": [entry("a"), entry("../b")]}, "tags[1].key"),
        ({"tags": [entry("k" * 251)]}, "tags[0].key"),
        ({"tags": [entry("a\x00b")]}, "key"),
    ],
)
def test_one_bad_entry_refuses_the_whole_batch(client: Client, body: Json, naming: str) -> None:
    good = {"metrics": [metric("ok")], "params": [entry("ok")], "tags": [entry("ok")]}
    assert_refused(client.post(PATH, {"run_id": client.run_id, **good, **body}), naming)
    assert client.is_untouched()


def test_missing_unknown_and_deleted_runs_are_refused(client: Client) -> None:
    assert_refused(client.post(PATH, {"metrics": [metric()]}), "run_id")
    answer = client.post(PATH, {"run_id": "nope", "metrics": [metric()]})
    assert_refused(answer, "nope", "RESOURCE_DOES_NOT_EXIST")
    client.delete_run(client.run_id)
    assert_refused(client.post(PATH, {"run_id": client.run_id}), client.run_id)
    assert client.is_untouched()


def test_bad_entries_are_told_before_an_unknown_run(client: Client) -> None:
    assert_refused(client.post(PATH, {"run_id": "nope", "metrics": [metric("a//b")]}), "key")


def test_batches_in_any_order_at_once_neither_deadlock_nor_lose_anything(client: Client) -> None:
    keys = [f"k{index:02}" for index in range(20)]

    def log(step: int) -> None:
        order = keys if step % 2 else keys[::-1]
        request = LogBatch(
            client.run_id,
            [LoggedMetric(key, 1.0, 1, step) for key in order],
            [LoggedEntry(key, "same") for key in order],
            [LoggedEntry(key, str(step)) for key in ["mlflow.runName", *order]],
        )
        with client.database.write() as conn:  # which would not try again after a deadlock
            log_to_run(conn, log_entry.many(request, truncate=True))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log, range(24)))
    data = client.run()["data"]
    assert {each["step"] for each in data["metrics"]} == {23}
    assert len(client.rows("metrics")) == 24 * 20
    assert len(data["params"]) == 20
