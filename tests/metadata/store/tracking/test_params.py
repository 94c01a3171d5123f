"""Params: immutable once they are logged."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.messages.batch import LogParam
from tandem_metadata.settings import Settings
from tandem_metadata.store.tracking import log_entry
from tandem_shared.errors import InvalidParameter
from tests.metadata.logging_client import Client, assert_refused, log_to_run, opened

PATH = "runs/log-parameter"


@pytest.fixture
def client(settings: Settings, database: Database) -> Iterator[Client]:
    with opened(settings, database) as made:
        yield made


def logged(client: Client) -> dict[str, str]:
    return {p["key"]: p["value"] for p in client.run()["data"]["params"]}


def test_the_same_value_again_is_fine(client: Client) -> None:
    client.log(PATH, key="lr", value="0.1")
    client.log(PATH, key="lr", value="0.1")
    assert logged(client) == {"lr": "0.1"}


def test_another_value_is_refused_naming_key_and_old_value(client: Client) -> None:
    client.log(PATH, key="lr", value="0.1")
    answer = client.post(PATH, {"run_id": client.run_id, "key": "lr", "value": "0.2"})
    assert_refused(answer, "'lr' is '0.1', not '0.2'")
    assert logged(client) == {"lr": "0.1"}


def test_a_missing_value_is_an_empty_one(client: Client) -> None:
    client.log(PATH, key="a")
    client.log(PATH, key="b", value=None)
    assert logged(client) == {"a": "", "b": ""}


def test_older_clients_name_the_run_by_run_uuid(client: Client) -> None:
    assert client.post(PATH, {"run_uuid": client.run_id, "key": "a"}) == (200, {})
    assert logged(client) == {"a": ""}


def test_a_long_value_is_cut_and_the_same_again_is_still_fine(client: Client) -> None:
    client.log(PATH, key="a", value="x" * 6001)
    client.log(PATH, key="a", value="x" * 6001)
    assert logged(client) == {"a": "x" * 6000}


def test_a_long_value_is_refused_when_the_settings_say_so(
    settings: Settings, database: Database
) -> None:
    with opened(replace(settings, truncate_long_values=False), database) as client:
        answer = client.post(PATH, {"run_id": client.run_id, "key": "a", "value": "x" * 6001})
        assert_refused(answer, "6000")
        assert client.is_untouched()


def test_of_clients_that_log_different_values_at_once_one_wins(client: Client) -> None:
    def log(value: int) -> bool:
        try:
            with client.database.write() as conn:
                log_to_run(
                    conn, log_entry.param(client.run_id, LogParam("a", str(value)), truncate=True)
                )
        except InvalidParameter:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        won = list(threads.map(log, range(12)))
    assert won.count(True) == 1
    assert logged(client) == {"a": str(won.index(True))}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", None), ("key", ""), ("key", 7), ("key", "k" * 251), ("key", "a/../b"),
        ("key", "a\tb"), ("key", "a\x00b"), ("value", 3), ("value", ["x"]), ("value", "a\x00b"),
        ("run_id", ""), ("run_id", 3),
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_by_name_and_nothing_is_stored(
    client: Client, field: str, value: object
) -> None:
    body = {"run_id": client.run_id, "key": "a", "value": "1", field: value}
    assert_refused(client.post(PATH, body), naming=field)
    assert client.is_untouched()


def test_unknown_and_deleted_runs_are_refused(client: Client) -> None:
    answer = client.post(PATH, {"run_id": "nope", "key": "a", "value": "1"})
    assert_refused(answer, "nope", "RESOURCE_DOES_NOT_EXIST")
    client.delete_run(client.run_id)
    assert_refused(client.post(PATH, {"run_id": client.run_id, "key": "a", "value": "1"}))
    assert client.is_untouched()
