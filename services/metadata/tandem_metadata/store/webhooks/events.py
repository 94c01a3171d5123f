"""Records events of the registry as deliveries, in the transaction of the change itself.

A committed change is therefore delivered at least once, even if the service dies in between. A
change that is rolled back is never delivered.
"""

import datetime
import uuid
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, select

from tandem_metadata.database.database import on_commit
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhook_events, webhooks
from tandem_shared.clock import now_ms
from tandem_shared.wire import codec

_listeners: list[Callable[[], None]] = []
"""Shared by all threads, and never iterated over but as a copy: copying a list is atomic."""


def add_listener(function: Callable[[], None]) -> None:
    """Have `function` called after each commit of this process that recorded deliveries.

    It is called as `on_commit` says.
    """
    _listeners.append(function)


def remove_listener(function: Callable[[], None]) -> None:
    """Undo one `add_listener` of `function`."""
    _listeners.remove(function)


def record(conn: Connection, entity: str, action: str, data: Mapping[str, object]) -> None:
    """Record a delivery to every active webhook that subscribes to the event.

    `entity` and `action` are in lower case, as in MLflow's tables and payloads: `model_version`,
    `created`. Takes one indexed statement if no webhook subscribes, else two.
    """
    events = webhook_events.c
    waiting = (
        conn.execute(
            select(webhooks.c.webhook_id)
            .join(webhook_events, events.webhook_id == webhooks.c.webhook_id)
            .where(
                events.entity == entity,
                events.action == action,
                webhooks.c.status == "ACTIVE",
                webhooks.c.deleted_timestamp.is_(None),
            )
        )
        .scalars()
        .all()
    )
    if not waiting:
        return
    text = body(entity, action, data)
    now = now_ms()
    conn.execute(
        insert(deliveries),
        [
            {
                "delivery_id": str(uuid.uuid4()),
                "webhook_id": webhook_id,
                "body": text,
                "due_at": now,
                "attempts": 0,
            }
            for webhook_id in waiting
        ],
    )
    on_commit(conn, _tell_listeners)


def _tell_listeners() -> None:
    for listener in _listeners.copy():
        listener()


def body(entity: str, action: str, data: Mapping[str, object]) -> str:
    """The JSON payload of an event that happens now."""
    return codec.encode_json(
        {
            "entity": entity,
            "action": action,
            "timestamp": datetime.datetime.now(datetime.UTC).isoformat(),
            "data": data,
        }
    ).decode()
