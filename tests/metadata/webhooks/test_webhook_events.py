"""Recording an event: one delivery for each subscribed webhook, in the change's transaction."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import webhooks as tables
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.store.webhooks import events as webhook_events

CREATED = ("registered_model", "created")


def _webhook(
    conn: Connection,
    webhook_id: str,
    *events: tuple[str, str],
    status: str = "ACTIVE",
    deleted: int | None = None,
) -> None:
    conn.execute(
        insert(tables.webhooks).values(
            webhook_id=webhook_id,
            name=webhook_id,
            url="https://example.com",
            status=status,
            deleted_timestamp=deleted,
        )
    )
    for entity, action in events:
        conn.execute(
            insert(tables.webhook_events).values(
                webhook_id=webhook_id, entity=entity, action=action
            )
        )


def _recorded(database: Database) -> list[Any]:
    with database.read() as conn:
        return list(conn.execute(select(deliveries).order_by(deliveries.c.webhook_id)))


def test_event_is_recorded_for_each_active_subscribed_webhook(database: Database) -> None:
    with database.write() as conn:
        _webhook(conn, "a", CREATED, ("model_version", "created"))
        _webhook(conn, "b", CREATED)
        _webhook(conn, "other action", ("registered_model", "deleted"))
        _webhook(conn, "other entity", ("prompt", "created"))
        _webhook(conn, "disabled", CREATED, status="DISABLED")
        _webhook(conn, "deleted", CREATED, deleted=1)
    with database.write() as conn:
        webhook_events.record(conn, *CREATED, {"name": "modèle", "tags": {"k": "v"}})
    found = _recorded(database)
    assert [row.webhook_id for row in found] == ["a", "b"]
    assert len({str(uuid.UUID(row.delivery_id)) for row in found}) == 2
    for row in found:
        body = json.loads(row.body)
        happened = datetime.fromisoformat(body.pop("timestamp"))
        assert happened.utcoffset() == timedelta(0)
        assert abs(happened.timestamp() * 1000 - row.due_at) < 60_000
        assert row.attempts == 0
        assert body == {
            "entity": "registered_model",
            "action": "created",
            "data": {"name": "modèle", "tags": {"k": "v"}},
        }


def test_event_that_is_rolled_back_is_not_recorded(database: Database) -> None:
    with database.write() as conn:
        _webhook(conn, "a", CREATED)

    def fail() -> None:
        with database.write() as conn:
            webhook_events.record(conn, *CREATED, {})
            raise KeyError("undone")

    with pytest.raises(KeyError):
        fail()
    assert _recorded(database) == []


def test_event_tells_listeners_of_deliveries_only(database: Database) -> None:
    told: list[int] = []

    def listener() -> None:
        told.append(1)

    webhook_events.add_listener(listener)
    with database.write() as conn:
        webhook_events.record(conn, *CREATED, {})
    assert told == []
    with database.write() as conn:
        _webhook(conn, "a", CREATED)
        webhook_events.record(conn, *CREATED, {})
        webhook_events.record(conn, *CREATED, {})
    assert told == [1]
    webhook_events.remove_listener(listener)
    with database.write() as conn:
        webhook_events.record(conn, *CREATED, {})
    assert told == [1]
    assert len(_recorded(database)) == 3


def test_event_takes_one_statement_without_and_two_with_subscribers(
    database: Database,
) -> None:
    with database.write() as conn:
        for number in range(5):
            _webhook(conn, f"webhook {number}", CREATED)
    for entity, count in (("prompt", 1), ("registered_model", 2)):
        statements = []
        with database.write() as conn:
            event.listen(
                conn, "before_cursor_execute", lambda *args, to=statements: to.append(args[2])
            )
            webhook_events.record(conn, entity, "created", {})
        assert len(statements) == count
