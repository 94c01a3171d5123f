"""Events of the registry, recorded as deliveries in the transaction that made the change.

So what is committed is delivered, once at least, whatever happens to the service in between; and
what is rolled back never is.
"""

import datetime
import time
import uuid
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, insert, select

from tandem_metadata.database.database import announce
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.database.tables.webhooks import webhook_events, webhooks
from tandem_shared.wire import codec

RECORDED: Final = "webhook deliveries"
"""What is announced of a commit that holds deliveries."""


def record(conn: Connection, entity: str, action: str, data: Mapping[str, object]) -> None:
    """Have every active webhook that waits for the event told, once the transaction is committed.

    `entity` and `action` are in lower case, as MLflow's tables and payloads have them:
    `model_version`, `created`. One indexed statement when no webhook waits, else two.
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
    now = time.time_ns() // 1_000_000
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
    """What a receiver is sent of an event that happens now."""
    return codec.encode_json(
        {
            "entity": entity,
            "action": action,
            "timestamp": datetime.datetime.now(datetime.UTC).isoformat(),
            "data": data,
        }
    ).decode()
