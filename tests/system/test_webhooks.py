"""Webhooks through the service as a process: the stock client, restarts, crashes, and workers."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookEvent
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, update

from tandem_metadata.database.address import parse_url
from tandem_metadata.database.tables.deliveries import deliveries
from tests.harness.processes import Process, environment, eventually
from tests.receiver import Receiver, receiving
from tests.system import services

ROOT = "mlflow-artifacts://127.0.0.1:5500/"
KEY = Fernet.generate_key().decode()
OPEN = {
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": KEY,
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
}
CREATED = WebhookEvent("registered_model", "created")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@contextlib.contextmanager
def serving(
    directory: Path, database: str, *arguments: str, **variables: str
) -> Iterator[tuple[Process, MlflowClient]]:
    given: Mapping[str, str] = {**OPEN, **variables}
    with services.metadata_service(
        directory, database, ROOT, *arguments, variables=given
    ) as service:
        yield service, MlflowClient(service.url, service.url)


def names(receiver: Receiver, path: str) -> list[str]:
    return [each.event["data"]["name"] for each in receiver.at(path)]


def test_the_stock_client_manages_webhooks(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    with serving(tmp_path, database) as (service, client):
        made = client.create_webhook(
            "hook", receiver.url + "/hook", [CREATED], description="tells", secret="s3cret"
        )
        assert made.status.is_active()
        assert made.events == [CREATED]
        assert client.get_webhook(made.webhook_id).description == "tells"
        assert [each.webhook_id for each in client.list_webhooks()] == [made.webhook_id]
        changed = client.update_webhook(
            made.webhook_id,
            name="renamed",
            events=[CREATED, WebhookEvent("prompt", "created")],
            status="DISABLED",
        )
        assert (changed.name, changed.status.is_active()) == ("renamed", False)
        result = client.test_webhook(made.webhook_id, event=WebhookEvent("prompt", "created"))
        assert (result.success, result.response_status, result.response_body) == (True, 200, "ok")
        (got,) = receiver.at("/hook")
        assert got.is_signed_with("s3cret")
        assert got.event["data"]["name"] == "example_prompt"
        client.delete_webhook(made.webhook_id)
        assert list(client.list_webhooks()) == []
        with pytest.raises(MlflowException) as missing:
            client.get_webhook(made.webhook_id)
        assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"
        assert "s3cret" not in service.log.read_text()
        assert KEY not in service.log.read_text()


def test_what_the_registry_does_is_delivered(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    events = [
        WebhookEvent(entity, action)
        for entity, action in (
            ("registered_model", "created"),
            ("model_version", "created"),
            ("model_version_tag", "set"),
            ("model_version_tag", "deleted"),
            ("model_version_alias", "created"),
            ("model_version_alias", "deleted"),
        )
    ]
    with serving(tmp_path, database) as (_, client):
        client.create_webhook("all", receiver.url + "/all", events, secret="s3cret")
        client.create_registered_model("m", tags={"team": "blue"}, description="d")
        client.create_model_version("m", "s3://bucket/m", tags={"a": "b"}, description="v")
        client.set_model_version_tag("m", "1", "k", "v")
        client.delete_model_version_tag("m", "1", "k")
        client.set_registered_model_alias("m", "champion", "1")
        client.delete_registered_model_alias("m", "champion")
        got = receiver.wait("/all", 6)
        assert all(each.is_signed_with("s3cret") for each in got)
        told = {
            f"{each.event['entity']}.{each.event['action']}": each.event["data"] for each in got
        }
    assert set(told) == {str(event) for event in events}
    assert told["registered_model.created"] == {
        "name": "m",
        "tags": {"team": "blue"},
        "description": "d",
    }
    version = told["model_version.created"]
    assert (version["name"], version["version"], version["source"]) == ("m", "1", "s3://bucket/m")
    assert version["tags"] == {"a": "b"}
    assert told["model_version_tag.set"] == {"name": "m", "version": "1", "key": "k", "value": "v"}
    assert told["model_version_tag.deleted"] == {"name": "m", "version": "1", "key": "k"}
    assert told["model_version_alias.created"] == {
        "name": "m",
        "alias": "champion",
        "version": "1",
    }
    assert told["model_version_alias.deleted"] == {"name": "m", "alias": "champion"}


def test_a_change_that_is_refused_is_told_to_nobody(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    with serving(tmp_path, database) as (_, client):
        client.create_webhook("hook", receiver.url + "/hook", [CREATED])
        client.create_registered_model("m")
        with pytest.raises(MlflowException):
            client.create_registered_model("m")
        client.create_registered_model("n")
        receiver.wait("/hook", 2)
    assert sorted(names(receiver, "/hook")) == ["m", "n"]


def test_a_receiver_that_hangs_slows_no_request_and_no_stop(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    with serving(tmp_path, database, "--pool-size", "2") as (service, client):
        for number in range(3):
            client.create_webhook(f"hang{number}", f"{receiver.url}/hang/{number}", [CREATED])
        client.create_webhook("good", receiver.url + "/good", [CREATED])
        for number in range(20):
            client.create_registered_model(f"m{number}")
        receiver.wait("/good", 20)
        # The requests came back, and others were told, while the receivers still hold theirs.
        assert receiver.received
        assert not receiver.released.is_set()
        before = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - before < 20


def test_what_was_recorded_is_delivered_after_a_restart(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    with serving(tmp_path, database) as (_, client):
        client.create_webhook("hook", receiver.url + "/hang", [CREATED], secret="s3cret")
        for name in "abcd":
            client.create_registered_model(name)
        receiver.wait("/hang", 2)
    receiver.released.set()
    before = len(receiver.received)
    with serving(tmp_path, database):
        eventually(lambda: set(names(receiver, "/hang")[before:]) == set("abcd"))
    assert len({each.delivery_id for each in receiver.received}) == 4
    assert all(each.is_signed_with("s3cret") for each in receiver.received)


def test_a_crash_in_the_middle_of_a_delivery_repeats_it(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    # A lease ends 30 seconds after the time that a receiver gets: the row is made due by hand.
    with serving(tmp_path, database) as (service, client):
        client.create_webhook("hook", receiver.url + "/hang", [CREATED])
        client.create_registered_model("m")
        (cut,) = receiver.wait("/hang")
        service.stop(signal.SIGKILL)
    receiver.released.set()
    _end_leases(database)
    with serving(tmp_path, database):
        again = receiver.wait("/hang", 2)[1]
    assert again.delivery_id == cut.delivery_id
    assert again.body == cut.body


def _run(*arguments: str) -> str:
    """What Python prints, with MLflow's settings for webhooks like Tandem's."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(**OPEN),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def _end_leases(database: str) -> None:
    engine = create_engine(parse_url(database))
    with engine.begin() as conn:
        assert conn.execute(update(deliveries).values(due_at=0)).rowcount == 1
    engine.dispose()


def test_workers_and_services_on_one_database_deliver_once(
    database: str, tmp_path: Path, receiver: Receiver
) -> None:
    with (
        serving(tmp_path, database, "--workers", "2") as (service, client),
        serving(tmp_path, database) as (_, other),
    ):
        for number in range(3):
            client.create_webhook(f"hook{number}", f"{receiver.url}/{number}", [CREATED])
        for number in range(10):
            client.create_registered_model(f"a{number}")
            other.create_registered_model(f"b{number}")
        for number in range(3):
            receiver.wait(f"/{number}", 20)
        assert _delivered(service) >= 1
    ids = [each.delivery_id for each in receiver.received]
    assert len(ids) == len(set(ids)) == 60


def _delivered(service: Process) -> float:
    lines = requests.get(service.url + "/metrics", timeout=30).text.splitlines()
    name = 'tandem_webhook_deliveries_total{outcome="delivered"} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_a_failing_receiver_is_tried_again_and_then_given_up(
    tmp_path: Path, receiver: Receiver
) -> None:
    url = receiver.answer("/failing", 500)
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with serving(tmp_path, database, MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES="1") as (service, client):
        made = client.create_webhook("hook", url + "?token=hidden", [CREATED])
        receiver.answers["/failing?token=hidden"] = [(500, {}, b"")]
        client.create_registered_model("m")

        def given_up() -> list[dict[str, Any]]:
            return [line for line in service.log_lines() if line["level"] == "ERROR"]

        eventually(lambda: bool(given_up()))
        (line,) = given_up()
        assert (line["webhook_id"], line["attempt"]) == (made.webhook_id, 2)
        assert "hidden" not in json.dumps(service.log_lines())
    assert len(receiver.received) == 2


def test_mlflow_reads_the_secrets_that_tandem_keeps_and_the_other_way_round(
    tmp_path: Path, receiver: Receiver
) -> None:
    """By MLflow's own store, over the database that Tandem serves, upgraded in between."""
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with serving(tmp_path, database) as (_, client):
        made = client.create_webhook("ours", receiver.url + "/ours", [CREATED], secret="of Tandem")
    _run("-m", "mlflow", "db", "upgrade", database)
    program = (
        "import sys\n"
        "from mlflow.entities.webhook import WebhookEvent\n"
        "from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore\n"
        "store = SqlAlchemyStore(sys.argv[1])\n"
        "print(store.get_webhook(sys.argv[2]).secret)\n"
        "event = WebhookEvent('registered_model', 'created')\n"
        "store.create_webhook('theirs', sys.argv[3], [event], secret='of MLflow')\n"
    )
    shown = _run("-c", program, database, made.webhook_id, receiver.url + "/theirs")
    assert shown.strip().splitlines()[-1] == "of Tandem"
    with serving(tmp_path, database) as (_, client):
        client.create_registered_model("m")
        assert receiver.wait("/ours")[0].is_signed_with("of Tandem")
        assert receiver.wait("/theirs")[0].is_signed_with("of MLflow")
