"""Histories of metrics: by pages, of several runs, sampled."""

import base64
from collections.abc import Iterator

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.logging_client import Client, Json, assert_refused, new_run, opened

HISTORY = "metrics/get-history"
BULK = "metrics/get-history-bulk"
INTERVAL = "metrics/get-history-bulk-interval"


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[Client]:
    with opened(settings, database) as made:
        yield made


def fill(client: Client, count: int, run_id: str | None = None) -> None:
    """Values 0 to `count` at steps that rise and times that fall."""
    points = [
        {"key": "m", "value": step, "timestamp": 1000 - step, "step": step} for step in range(count)
    ]
    body = {"run_id": run_id or client.run_id, "metrics": points}
    assert client.post("runs/log-batch", body) == (200, {})


def values(answer: tuple[int, Json]) -> list[object]:
    status, body = answer
    assert status == 200, body
    return [each["value"] for each in body.get("metrics", [])]


def steps(client: Client, **query: object) -> list[object]:
    query = {"run_ids": client.run_id, "metric_key": "m", **query}
    status, body = client.get(INTERVAL, **query)
    assert status == 200, body
    return [each["step"] for each in body.get("metrics", [])]


def test_a_history_comes_by_time_then_step_then_value(client: Client) -> None:
    for timestamp, step, value in [(2, 0, 1), (1, 1, 2), (1, 1, "NaN"), (1, 0, 9), (1, 1, -1)]:
        client.log("runs/log-metric", key="m", value=value, timestamp=timestamp, step=step)
    answer = client.get(HISTORY, run_uuid=client.run_id, metric_key="m")
    assert values(answer) == [9.0, -1.0, "NaN", 2.0, 1.0]
    assert answer[1]["metrics"][0] == {"key": "m", "value": 9.0, "timestamp": 1, "step": 0}
    assert "next_page_token" not in answer[1]


def test_pages_cover_a_history_once_though_values_are_logged_meanwhile(client: Client) -> None:
    fill(client, 7)
    client.log("runs/log-metric", key="m", value="NaN", timestamp=997, step=3)
    query = {"run_id": client.run_id, "metric_key": "m", "max_results": 3}
    read: list[object] = []
    token = None
    while True:
        status, body = client.get(HISTORY, **query, **({"page_token": token} if token else {}))
        assert status == 200, body
        read += [each["value"] for each in body["metrics"]]
        client.log("runs/log-metric", key="m", value=len(read), timestamp=0)
        if (token := body.get("next_page_token")) is None:
            break
    assert read == [6.0, 5.0, 4.0, "NaN", 3.0, 2.0, 1.0, 0.0]


def test_a_page_that_ends_with_the_history_has_no_token(client: Client) -> None:
    fill(client, 3)
    answer = client.get(HISTORY, run_id=client.run_id, metric_key="m", max_results=3)
    assert values(answer) == [2.0, 1.0, 0.0]
    assert "next_page_token" not in answer[1]


def test_a_token_of_another_run_or_key_or_of_no_history_is_refused(client: Client) -> None:
    fill(client, 3)
    query = {"run_id": client.run_id, "metric_key": "m", "max_results": 1}
    token = client.get(HISTORY, **query)[1]["next_page_token"]
    other = new_run(client.database)
    offset = base64.b64encode(b'{"offset": 3}').decode()
    for changed in (
        {"page_token": token, "run_id": other},
        {"page_token": token, "metric_key": "n"},
        {"page_token": token[:-5]},
        {"page_token": offset},
        {"page_token": "é"},
    ):
        assert_refused(client.get(HISTORY, **{**query, **changed}), "Invalid page token")


def test_an_unknown_run_or_key_has_an_empty_history_and_a_deleted_run_keeps_its(
    client: Client,
) -> None:
    fill(client, 2)
    client.delete_run(client.run_id)
    assert values(client.get(HISTORY, run_id=client.run_id, metric_key="m")) == [1.0, 0.0]
    assert client.get(HISTORY, run_id=client.run_id, metric_key="n") == (200, {})
    assert client.get(HISTORY, run_id="nope", metric_key="m") == (200, {})


@pytest.mark.parametrize(
    ("query", "naming"),
    [
        ({"metric_key": "m"}, "run_id"),
        ({"run_id": "r"}, "metric_key"),
        ({"run_id": "r", "metric_key": ""}, "metric_key"),
        ({"run_id": "r", "metric_key": "m", "max_results": 0}, "max_results"),
        ({"run_id": "r", "metric_key": "m", "max_results": -1}, "max_results"),
        ({"run_id": "r", "metric_key": "m", "max_results": "x"}, "max_results"),
        ({"run_id": "r", "metric_key": "m\x00"}, "metric_key"),
    ],
)
def test_a_bad_history_query_is_refused(client: Client, query: Json, naming: str) -> None:
    assert_refused(client.get(HISTORY, **query), naming)


def test_bulk_comes_by_run_then_time_and_is_limited_in_all(client: Client) -> None:
    other = new_run(client.database)
    fill(client, 3)
    fill(client, 3, other)
    first, second = sorted([client.run_id, other])
    query = {"run_id": [second, first, "nope"], "metric_key": "m"}
    status, body = client.get(BULK, **query)
    assert status == 200
    assert [each["run_id"] for each in body["metrics"]] == [first] * 3 + [second] * 3
    assert body["metrics"][0] == {
        "key": "m", "value": 2.0, "timestamp": 998, "step": 2, "run_id": first,
    }  # fmt: skip
    assert len(values(client.get(BULK, **query, max_results=4))) == 4
    assert client.get(BULK, **query, max_results=0) == (200, {"metrics": []})


def test_bulk_finds_no_run_by_an_id_that_only_begins_with_its(client: Client) -> None:
    fill(client, 1)
    query = {"run_id": f"{client.run_id}x", "metric_key": "m"}
    assert client.get(BULK, **query) == (200, {"metrics": []})


@pytest.mark.parametrize(
    ("query", "naming"),
    [
        ({"metric_key": "m"}, "run_id"),
        ({"run_id": "r"}, "metric_key"),
        ({"run_id": ["r"] * 101, "metric_key": "m"}, "run_id"),
        ({"run_id": "r", "metric_key": "m", "max_results": "x"}, "max_results"),
        ({"run_id": "r", "metric_key": "m", "max_results": -1}, "max_results"),
    ],
)
def test_a_bad_bulk_query_is_refused(client: Client, query: Json, naming: str) -> None:
    assert_refused(client.get(BULK, **query), naming)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, [24]),
        (2, [0, 24]),
        (3, [0, 9, 24]),
        (5, [0, 5, 10, 15, 24]),
        (7, [0, 4, 8, 12, 16, 19, 24]),
        (24, [*range(1), *range(2, 25)]),
        (25, list(range(25))),
        (320, list(range(25))),
    ],
)
def test_a_sample_is_even_and_keeps_the_last_value(
    client: Client, size: int, expected: list[int]
) -> None:
    fill(client, 25)
    assert steps(client, max_results=size) == expected


def test_a_sample_may_be_of_a_range_of_steps(client: Client) -> None:
    fill(client, 25)
    assert steps(client, start_step=3, end_step=7) == [3, 4, 5, 6, 7]
    assert steps(client, start_step=3, end_step=2**31) == list(range(3, 25))
    assert steps(client, start_step=30, end_step=40) == []


def test_each_run_is_sampled_by_itself_in_the_order_of_the_request(client: Client) -> None:
    other = new_run(client.database)
    fill(client, 25)
    fill(client, 4, other)
    for run_ids in ([client.run_id, "nope", other], [other, client.run_id]):
        _, body = client.get(INTERVAL, run_ids=run_ids, metric_key="m", max_results=2)
        expected = {client.run_id: [0, 24], other: [0, 3]}
        assert [(each["run_id"], each["step"]) for each in body["metrics"]] == [
            (run_id, step) for run_id in run_ids for step in expected.get(run_id, [])
        ]


@pytest.mark.parametrize(
    ("query", "naming"),
    [
        ({"metric_key": "m"}, "run_ids"),
        ({"run_ids": "r"}, "metric_key"),
        ({"run_ids": ["r"] * 101, "metric_key": "m"}, "run_ids"),
        ({"run_ids": "r", "metric_key": "m", "max_results": 0}, "max_results"),
        ({"run_ids": "r", "metric_key": "m", "max_results": 2501}, "max_results"),
        ({"run_ids": "r", "metric_key": "m", "max_results": "x"}, "max_results"),
        ({"run_ids": "r", "metric_key": "m", "start_step": 1}, "end_step"),
        ({"run_ids": "r", "metric_key": "m", "end_step": 1}, "start_step"),
        ({"run_ids": "r", "metric_key": "m", "start_step": 2, "end_step": 1}, "end_step"),
        ({"run_ids": "r", "metric_key": "m", "start_step": "a", "end_step": 1}, "start_step"),
    ],
)
def test_a_bad_interval_query_is_refused(client: Client, query: Json, naming: str) -> None:
    assert_refused(client.get(INTERVAL, **query), naming)
