"""Logging metrics one by one: what is stored, which value is the latest, what is refused."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import tracking
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_entry
from tests.metadata.logging_client import Client, assert_refused, log_to_run, new_run, opened

LARGEST = 1.7976931348623157e308


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[Client]:
    with opened(settings, database) as made:
        yield made


def latest(client: Client) -> list[dict]:
    return client.run()["data"]["metrics"]


def test_a_metric_is_read_back_as_logged(client: Client) -> None:
    client.log("runs/log-metric", key="loss", value=0.5, timestamp=7, step=3)
    assert latest(client) == [{"key": "loss", "value": 0.5, "timestamp": 7, "step": 3}]


def test_integers_may_be_strings_and_the_step_may_be_missing_or_null(client: Client) -> None:
    client.log("runs/log-metric", key="a", value="1.5", timestamp="7", step="-3")
    client.log("runs/log-metric", key="b", value=1, timestamp=0)
    client.log("runs/log-metric", key="c", value=1, timestamp=0, step=None)
    assert [(m["value"], m["timestamp"], m["step"]) for m in latest(client)] == [
        (1.5, 7, -3),
        (1.0, 0, 0),
        (1.0, 0, 0),
    ]


def test_older_clients_name_the_run_by_run_uuid(client: Client) -> None:
    body = {"run_uuid": client.run_id, "key": "a", "value": 1, "timestamp": 1}
    assert client.post("runs/log-metric", body) == (200, {})
    assert len(latest(client)) == 1


@pytest.mark.parametrize(
    ("sent", "stored", "is_nan", "read"),
    [
        ('"NaN"', 0.0, True, "NaN"),
        ("NaN", 0.0, True, "NaN"),
        ('"Infinity"', LARGEST, False, LARGEST),
        ("Infinity", LARGEST, False, LARGEST),
        ('"-Infinity"', -LARGEST, False, -LARGEST),
    ],
)
def test_values_that_are_not_finite_are_stored_as_mlflow_stores_them(
    client: Client, sent: str, stored: float, is_nan: bool, read: object
) -> None:
    body = f'{{"run_id": "{client.run_id}", "key": "a", "value": {sent}, "timestamp": 1}}'
    assert client.post_raw("runs/log-metric", body.encode()) == (200, {})
    for table in (tracking.metrics, tracking.latest_metrics):
        with client.database.read() as conn:
            assert conn.execute(select(table.c.value, table.c.is_nan)).all() == [(stored, is_nan)]
    assert latest(client)[0]["value"] == read


def test_the_same_metric_again_is_no_error_and_one_row(client: Client) -> None:
    for value in (1, 1, "NaN", "NaN"):
        client.log("runs/log-metric", key="a", value=value, timestamp=1)
    assert len(client.rows("metrics")) == 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_latest_metric_is_the_greatest_by_step_then_time_then_value(
    database: Database, order: tuple[int, ...]
) -> None:
    logged = [(9.0, 9, 1), (1.0, 1, 2), (1.0, 2, 2), (5.0, 2, 2)]  # the last is the latest
    run_id = new_run(database)
    for index in order:
        value, timestamp, step = logged[index]
        with database.write() as conn:
            log_to_run(conn, log_entry.metric(run_id, LoggedMetric("a", value, timestamp, step)))
    columns = tracking.latest_metrics.c
    with database.read() as conn:
        row = conn.execute(select(columns.value, columns.timestamp, columns.step)).one()
    assert tuple(row) == logged[3]


def test_nan_counts_as_zero_when_the_latest_is_chosen(client: Client) -> None:
    for value in (-1, "NaN", 0):
        client.log("runs/log-metric", key="a", value=value, timestamp=1)
    assert latest(client)[0]["value"] == "NaN"
    client.log("runs/log-metric", key="a", value=1, timestamp=1)
    assert latest(client)[0]["value"] == 1.0


def test_clients_that_log_one_metric_at_once_leave_the_greatest_step_as_latest(
    client: Client,
) -> None:
    def log(step: int) -> None:
        with client.database.write() as conn:
            log_to_run(
                conn, log_entry.metric(client.run_id, LoggedMetric("a", float(step), 1, step))
            )

    steps = [(17 * index) % 100 for index in range(100)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log, steps))
    assert latest(client) == [{"key": "a", "value": 99.0, "timestamp": 1, "step": 99}]
    assert len(client.rows("metrics")) == 100


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", None), ("key", ""), ("key", 7), ("key", "a" * 251), ("key", "../a"),
        ("key", "/a"), ("key", "a//b"), ("key", "a\nb"), ("key", "a\r\n"), ("key", "a\x00b"),
        ("key", "a?"), ("value", None), ("value", "x"), ("value", [1]), ("value", True),
        ("timestamp", None), ("timestamp", "x"), ("timestamp", -1), ("timestamp", 2**63),
        ("timestamp", 1.5), ("step", "x"), ("step", 2**63), ("step", -(2**63) - 1),
        ("model_id", 3), ("dataset_name", "n" * 501), ("dataset_digest", "d" * 37),
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_by_name_and_nothing_is_stored(
    client: Client, field: str, value: object
) -> None:
    body = {"run_id": client.run_id, "key": "a", "value": 1, "timestamp": 1, field: value}
    assert_refused(client.post("runs/log-metric", body), naming=field)
    assert client.is_untouched()


@pytest.mark.parametrize("field", ["run_id", "key", "value", "timestamp"])
def test_a_missing_field_is_refused_by_name(client: Client, field: str) -> None:
    body = {"run_id": client.run_id, "key": "a", "value": 1, "timestamp": 1}
    del body[field]
    assert_refused(client.post("runs/log-metric", body), naming=field)
    assert client.is_untouched()


def test_an_integer_too_large_for_a_double_is_refused(client: Client) -> None:
    body = {"run_id": client.run_id, "key": "a", "value": 10**400, "timestamp": 1}
    assert_refused(client.post("runs/log-metric", body))
    assert client.is_untouched()


def test_unknown_and_deleted_runs_are_refused(client: Client) -> None:
    body = {"run_id": "nope", "key": "a", "value": 1, "timestamp": 1}
    assert_refused(client.post("runs/log-metric", body), "nope", "RESOURCE_DOES_NOT_EXIST")
    client.delete_run(client.run_id)
    body["run_id"] = client.run_id
    assert_refused(client.post("runs/log-metric", body), client.run_id)
    assert client.is_untouched()


def test_malformed_json_is_refused(client: Client) -> None:
    for body in (b'{"run_id"', b"[1]", b'"text"'):
        assert_refused(client.post_raw("runs/log-metric", body))
    assert client.is_untouched()
