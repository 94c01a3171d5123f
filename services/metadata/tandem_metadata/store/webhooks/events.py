"""Records events of the registry as deliveries, in the transaction of the change itself.

A committed change is therefore delivered at least once, even if the service dies in between. A
change that is rolled back is never delivered.
"""

import datetime
import uuid
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, insert, select

from tandem_metadata.database.database import announce
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhook_events, webhooks
from tandem_shared.clock import now_ms
from tandem_shared.wire import codec

RECORDED: Final = "webhook deliveries"
"""The topic announced after a commit that recorded deliveries."""


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
    announce(conn, RECORDED)


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
