"""`webhooks/{id}/test`: an example is sent once, and the answer says how it went."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhooks
from tandem_metadata.settings import Settings
from tandem_metadata.webhooks import secrets
from tandem_metadata.webhooks.examples import EXAMPLES
from tandem_shared.settings import replace
from tests.metadata.webhooks_api import EVENT, TAG_EVENT, Webhooks, guarded, opened
from tests.receiver import Receiver, receiving


@pytest.fixture
def api(settings: Settings, database: Database) -> Webhooks:
    return guarded(settings, database)


@pytest.fixture
def open_api(settings: Settings, database: Database) -> Webhooks:
    return opened(settings, database)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.mark.parametrize("given", [None, TAG_EVENT])
def test_webhook_test_sends_an_example_once(
    open_api: Webhooks, receiver: Receiver, database: Database, given: Any
) -> None:
    url = receiver.answer("/ok", 202, body="tänk you".encode())
    webhook_id = open_api.create(url=url, secret="s3cret", status="DISABLED")["webhook_id"]
    fields = {"event": given} if given else {}
    result = open_api.ok("POST", f"/{webhook_id}/test", **fields)["result"]
    assert result == {"success": True, "response_status": 202, "response_body": "tänk you"}
    (got,) = receiver.received
    assert got.is_signed_with("s3cret")
    assert not got.is_signed_with("another")
    assert got.headers["content-type"] == "application/json"
    event = given or EVENT
    assert got.event["entity"].upper() == event["entity"]
    assert got.event["action"].upper() == event["action"]
    assert got.event["data"] == EXAMPLES[event["entity"], event["action"]]
    assert set(got.event) == {"entity", "action", "timestamp", "data"}
    with database.read() as conn:
        assert conn.execute(select(deliveries)).all() == []


def test_webhook_test_without_a_secret_is_not_signed(
    open_api: Webhooks, receiver: Receiver
) -> None:
    webhook_id = open_api.create(url=receiver.url + "/x")["webhook_id"]
    assert open_api.ok("POST", f"/{webhook_id}/test")["result"]["success"] is True
    assert "x-mlflow-signature" not in receiver.received[0].headers


def test_webhook_test_that_fails_says_how(open_api: Webhooks, receiver: Receiver) -> None:
    def result(url: str, **fields: Any) -> Any:
        webhook_id = open_api.create(url=url, **fields)["webhook_id"]
        return open_api.ok("POST", f"/{webhook_id}/test")["result"]

    failed = result(receiver.answer("/failing", 500, body=b"x" * 100_000))
    assert (failed["success"], failed["response_status"]) == (False, 500)
    assert failed["response_body"] == "x" * 65536
    assert len(receiver.at("/failing")) == 1
    redirected = result(receiver.answer("/moved", 307, Location="/elsewhere"))
    assert (redirected["success"], redirected["response_status"]) == (False, 307)
    assert "redirect" in redirected["error_message"]
    assert receiver.at("/elsewhere") == []
    for url in ("http://127.0.0.1:1/", "http://no-such-host.invalid/"):
        unreachable = result(url)
        assert set(unreachable) == {"success", "error_message"}
        assert unreachable["success"] is False


def test_webhook_test_of_a_hanging_receiver_ends_and_keeps_no_thread(
    settings: Settings, database: Database, receiver: Receiver
) -> None:
    api = Webhooks(
        replace(
            settings,
            webhook_allow_private_ips=True,
            webhook_allowed_schemes=("http",),
            webhook_request_timeout=0.2,
        ),
        database,
    )
    webhook_id = api.create(url=receiver.url + "/hang")["webhook_id"]
    result = api.ok("POST", f"/{webhook_id}/test")["result"]
    assert result["success"] is False
    assert "0.2 s" in result["error_message"]


@pytest.mark.parametrize(
    "event", [{"entity": "PROMPT", "action": "SET"}, {"entity": "x", "action": "SET"}, {}, "x"]
)
def test_webhook_test_of_an_impossible_event_is_refused(api: Webhooks, event: Any) -> None:
    status, body = api.ask(f"webhooks/{api.create()['webhook_id']}/test", "POST", event=event)
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_webhook_test_with_an_unreadable_secret_sends_nothing(
    open_api: Webhooks, receiver: Receiver, database: Database
) -> None:
    webhook_id = open_api.create(url=receiver.url + "/x", secret="s")["webhook_id"]
    with database.write() as conn:
        foreign = secrets.seal("s", Fernet.generate_key().decode())
        conn.execute(update(webhooks).values(secret=foreign))
    result = open_api.ok("POST", f"/{webhook_id}/test")["result"]
    assert result["success"] is False
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in result["error_message"]
    assert receiver.received == []


def test_webhook_test_to_a_private_address_of_mlflows_is_refused(
    api: Webhooks, receiver: Receiver, database: Database
) -> None:
    """The address is checked at each connection, whatever the table holds."""
    webhook_id = api.create()["webhook_id"]
    with database.write() as conn:
        inside = receiver.url.replace("http://", "https://")
        conn.execute(update(webhooks).values(url=inside))
    result = api.ok("POST", f"/{webhook_id}/test")["result"]
    assert result["success"] is False
    assert "not public" in result["error_message"]
    with database.write() as conn:
        conn.execute(update(webhooks).values(url=receiver.url))
    assert "ALLOWED_SCHEMES" in api.ok("POST", f"/{webhook_id}/test")["result"]["error_message"]
    assert receiver.received == []


def test_webhook_test_sends_credentials_of_mlflows_urls(
    open_api: Webhooks, receiver: Receiver, database: Database
) -> None:
    webhook_id = open_api.create()["webhook_id"]
    with database.write() as conn:
        url = receiver.url.replace("http://", "http://us%65r:p%40ss@") + "/x"
        conn.execute(update(webhooks).values(url=url))
    assert open_api.ok("POST", f"/{webhook_id}/test")["result"]["success"] is True
    assert receiver.received[0].headers["authorization"] == "Basic dXNlcjpwQHNz"
