"""Webhooks: creating, reading, updating and deleting them over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhooks
from tandem_metadata.rules.webhook_events import ACTIONS_BY_ENTITY
from tandem_metadata.settings import Settings
from tandem_metadata.store.webhooks import events as webhook_events
from tandem_metadata.webhooks import secrets
from tandem_metadata.webhooks.examples import EXAMPLES
from tests.metadata.webhooks_api import EVENT, KEY, PUBLIC, TAG_EVENT, Webhooks, guarded, opened
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


def test_webhook_is_created_and_read(api: Webhooks) -> None:
    made = api.create(
        name="Hook.1_a-b",
        description="tells",
        events=[EVENT, TAG_EVENT],
        status="DISABLED",
        secret="s3cret",
    )
    assert made.pop("webhook_id")
    assert made.pop("creation_timestamp") == made.pop("last_updated_timestamp") > 0
    assert made == {
        "name": "Hook.1_a-b",
        "description": "tells",
        "url": PUBLIC,
        "events": [TAG_EVENT, EVENT],
        "status": "DISABLED",
    }


def test_webhook_fields_not_given_have_mlflows_defaults(api: Webhooks) -> None:
    made = api.create(status=None, description="", secret="")
    assert made["status"] == "ACTIVE"
    assert "description" not in made
    assert api.ok("GET", f"/{made['webhook_id']}")["webhook"] == made


def test_webhook_events_and_status_may_be_numbers(api: Webhooks) -> None:
    made = api.create(events=[{"entity": 10, "action": 5}], status=2)
    assert made["events"] == [{"entity": "BUDGET_POLICY", "action": "EXCEEDED"}]
    assert made["status"] == "DISABLED"


def test_webhooks_are_listed_by_pages_the_latest_first(api: Webhooks, database: Database) -> None:
    made = [api.create(name=f"n{number}") for number in range(5)]
    with database.write() as conn:
        for number, each in enumerate(made):
            conn.execute(
                update(webhooks)
                .where(webhooks.c.webhook_id == each["webhook_id"])
                .values(creation_timestamp=number // 2)
            )
    listed = api.ok("GET")["webhooks"]
    assert [each["creation_timestamp"] for each in listed] == [2, 1, 1, 0, 0]
    pages, token = [], None
    while True:
        page = api.ok("GET", max_results=2, **({"page_token": token} if token else {}))
        pages.append(page["webhooks"])
        api.create(name="meanwhile")
        token = page.get("next_page_token")
        if not token:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == listed


@pytest.mark.parametrize(
    "query", [{"max_results": -1}, {"max_results": 1001}, {"max_results": "x"}, {"page_token": "x"}]
)
def test_webhooks_refuse_an_invalid_page_size_or_token(
    api: Webhooks, query: dict[str, Any]
) -> None:
    status, body = api.ask("webhooks", "GET", **query)
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_webhooks_refuse_a_token_of_another_search(api: Webhooks) -> None:
    from tandem_metadata.search.sql import page_token

    token = page_token.write(page_token.fingerprint("runs"), [(0, "1"), (0, "x")])
    status, body = api.ask("webhooks", "GET", page_token=token)
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_webhook_is_updated_field_by_field(api: Webhooks) -> None:
    made = api.create(description="old", events=[EVENT])
    path = f"/{made['webhook_id']}"
    changes: list[dict[str, Any]] = [
        {"name": "new"},
        {"url": "https://8.8.4.4/"},
        {"description": "new"},
        {"events": [TAG_EVENT]},
        {"status": "DISABLED"},
    ]
    for change in changes:
        made.update(change)
        changed = api.ok("PATCH", path, **change)["webhook"]
        made["last_updated_timestamp"] = changed["last_updated_timestamp"]
        assert changed == api.ok("GET", path)["webhook"] == made
    del made["description"]
    changed = api.ok("PATCH", path, description="", name="", url="", events=[])["webhook"]
    assert changed["last_updated_timestamp"] >= made.pop("last_updated_timestamp")
    del changed["last_updated_timestamp"]
    assert changed == made


_BAD_CHANGES: list[Any] = [
    {"name": "bad name"},
    {"url": "https://127.0.0.1/"},
    {"url": "http://8.8.8.8/"},
    {"description": "d" * 1001},
    {"events": [{"entity": "PROMPT", "action": "SET"}]},
    {"events": [EVENT, EVENT]},
    {"status": "x"},
    {"secret": "s" * 688},
]


def test_webhook_update_that_is_refused_changes_nothing(api: Webhooks, database: Database) -> None:
    for change in _BAD_CHANGES:
        made = api.create(secret="kept")
        with database.read() as conn:
            before = conn.execute(select(webhooks)).all()
        wanted = {"name": "other", "secret": "other", "description": "other", **change}
        status, body = api.ask(f"webhooks/{made['webhook_id']}", "PATCH", **wanted)
        assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        with database.read() as conn:
            assert conn.execute(select(webhooks)).all() == before


def test_webhook_that_is_deleted_is_hidden_and_kept_in_its_table(
    api: Webhooks, database: Database
) -> None:
    webhook_id = api.create()["webhook_id"]
    assert api.ok("DELETE", f"/{webhook_id}") == {}
    assert api.ok("GET") == {}
    for method, path in (
        ("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/test"),
    ):  # fmt: skip
        status, body = api.ask(f"webhooks/{webhook_id}{path}", method)
        assert (status, body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), method
    with database.read() as conn:
        (row,) = conn.execute(select(webhooks))
    assert row.deleted_timestamp == row.last_updated_timestamp > 0


def test_webhook_deletion_and_disabling_drop_its_deliveries(
    api: Webhooks, database: Database
) -> None:
    ids = {name: api.create(name=name)["webhook_id"] for name in ("gone", "off", "kept")}
    with database.write() as conn:
        webhook_events.record(conn, "registered_model", "created", {})
    api.ok("DELETE", f"/{ids['gone']}")
    api.ok("PATCH", f"/{ids['off']}", status="DISABLED")
    with database.read() as conn:
        waiting = conn.execute(select(deliveries.c.webhook_id)).scalars().all()
    assert waiting == [ids["kept"]]


@pytest.mark.parametrize("missing", ["name", "url", "events"])
def test_webhook_without_a_required_field_is_refused(api: Webhooks, missing: str) -> None:
    assert f"'{missing}'" in api.refused_creation(**{missing: None})


_BAD_NAMES: list[Any] = [" ", "a b", "-a", "a-", "a" * 64, "é", "a\n", "K\u212a", 3]


def test_webhook_name_that_is_invalid_is_refused(api: Webhooks) -> None:
    for name in _BAD_NAMES:
        assert "'name'" in api.refused_creation(name=name)


def test_webhook_fields_of_the_longest_values_fit(api: Webhooks) -> None:
    made = api.create(
        name="a" * 63,
        url="https://8.8.8.8/".ljust(500, "x"),
        description="d" * 1000,
        secret="s" * 687,
    )
    assert len(made["url"]) == 500


_BAD_FIELDS: list[Any] = [
    {"url": "https://8.8.8.8/".ljust(501, "x")},
    {"description": "d" * 1001},
    {"secret": "s" * 688},
    {"secret": "é" * 344},
    {"description": 5},
    {"secret": 5},
    {"status": "x"},
    {"status": "active"},
    {"status": 0},
    {"status": 3},
]


def test_webhook_fields_with_invalid_values_are_named(api: Webhooks) -> None:
    for fields in _BAD_FIELDS:
        (name,) = fields
        assert f"'{name}'" in api.refused_creation(**fields)


_BAD_EVENTS: list[Any] = [
    [],
    "x",
    {"entity": 1},
    [1],
    [{}],
    [{"entity": "REGISTERED_MODEL"}],
    [{"action": "CREATED"}],
    [{"entity": "x", "action": "CREATED"}],
    [{"entity": "registered_model", "action": "created"}],
    [{"entity": "REGISTERED_MODEL", "action": "DELETED"}],
    [{"entity": "ENTITY_UNSPECIFIED", "action": "CREATED"}],
    [{"entity": "PROMPT", "action": "ACTION_UNSPECIFIED"}],
    [{"entity": 99, "action": 1}],
    [EVENT, EVENT],
]


def test_webhook_events_that_are_impossible_are_refused(api: Webhooks) -> None:
    for events in _BAD_EVENTS:
        assert "'events" in api.refused_creation(events=events)


_BAD_URLS: list[Any] = [
    "http://8.8.8.8/",
    "ftp://8.8.8.8/",
    "8.8.8.8/x",
    "https://",
    "https:///x",
    "https://[/",
    "https://xn--/",
    "https://8.8.8.8:99999/",
    "https://8.8.8.8:0/",
    "https://user:pass@8.8.8.8/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://localhost/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[fec0::1]/",
    "https://[ff0e::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://no-such-host.invalid/",
    "https://a\u3002invalid/",
    " ",
    "https://8.8.8.8/\n",
    7,
]


def test_webhook_url_that_is_not_allowed_is_refused(api: Webhooks) -> None:
    for url in _BAD_URLS:
        message = api.refused_creation(url=url)
        assert "'url'" in message
        assert "pass" not in message.replace("password", "")


def test_webhook_url_with_loopback_and_http_is_accepted_by_settings(open_api: Webhooks) -> None:
    open_api.create(url="http://127.0.0.1:1/")
    open_api.create(url="https://no-such-host.invalid/")


def test_webhook_secrets_are_encrypted_as_mlflow_does(
    api: Webhooks, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.model_registry.dbmodels.models import EncryptedString

    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", KEY)
    mlflow: Any = EncryptedString()
    webhook_id = api.create(secret="sécret")["webhook_id"]

    def kept() -> str | None:
        with database.read() as conn:
            return conn.execute(select(webhooks.c.secret)).scalar_one()

    assert "cret" not in str(kept())
    assert mlflow.process_result_value(kept(), None) == "sécret"
    assert secrets.unseal(mlflow.process_bind_param("other", None), KEY) == "other"
    api.ok("PATCH", f"/{webhook_id}", name="renamed")
    assert mlflow.process_result_value(kept(), None) == "sécret"
    api.ok("PATCH", f"/{webhook_id}", secret="newer")
    assert mlflow.process_result_value(kept(), None) == "newer"
    api.ok("PATCH", f"/{webhook_id}", secret="")
    assert kept() is None


def test_webhook_secret_without_a_key_is_refused(settings: Settings, database: Database) -> None:
    api = Webhooks(settings, database)
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in api.refused_creation(secret="s3cret")
    webhook_id = api.create()["webhook_id"]
    status, body = api.ask(f"webhooks/{webhook_id}", "PATCH", secret="s3cret")
    assert status == 400
    assert "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY" in body["message"]
    assert "s3cret" not in body["message"]


def test_webhook_answers_hold_no_secret(open_api: Webhooks, receiver: Receiver) -> None:
    made = open_api.create(secret="s3cret", url=receiver.url + "/x")
    path = f"/{made['webhook_id']}"
    answers = [
        made,
        open_api.ok("GET"),
        open_api.ok("GET", path),
        open_api.ok("PATCH", path, secret="s3cret"),
        open_api.ok("POST", f"{path}/test"),
    ]
    assert "secret" not in json.dumps(answers)
    assert "s3cret" not in json.dumps(answers)


def test_webhook_events_and_examples_are_mlflows() -> None:
    from mlflow.webhooks.types import EVENT_TO_PAYLOAD_CLASS

    theirs: dict[Any, Any] = {
        (entity.name, action.name): payload.example()
        for (entity, action), payload in EVENT_TO_PAYLOAD_CLASS.items()
    }
    assert theirs == EXAMPLES
    assert set(theirs) == {
        (entity, action) for entity in ACTIONS_BY_ENTITY for action in ACTIONS_BY_ENTITY[entity]
    }


def test_webhook_without_times_is_listed(api: Webhooks, database: Database) -> None:
    with database.write() as conn:
        conn.execute(insert(webhooks).values(webhook_id="w", name="n", url=PUBLIC))
    assert api.ok("GET")["webhooks"][0]["webhook_id"] == "w"
