"""Inserts webhooks and deliveries directly into the tables."""

import uuid
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import insert, select

from tandem_metadata.database.database import Database
from tandem_metadata.database.tables import webhooks as tables
from tandem_metadata.database.tables.deliveries import deliveries
from tandem_metadata.store.webhooks import events
from tandem_metadata.webhooks import secrets

KEY = Fernet.generate_key().decode()


def subscribe(database: Database, url: str, secret: str | None = "s3cret") -> str:
    webhook_id = str(uuid.uuid4())
    with database.write() as conn:
        conn.execute(
            insert(tables.webhooks).values(
                webhook_id=webhook_id,
                name="hook",
                url=url,
                secret=secrets.seal(secret, KEY) if secret else None,
            )
        )
        conn.execute(
            insert(tables.webhook_events).values(
                webhook_id=webhook_id, entity="prompt", action="created"
            )
        )
    return webhook_id


def record(database: Database, *names: str) -> None:
    with database.write() as conn:
        for name in names:
            events.record(conn, "prompt", "created", {"name": name})


def waiting(database: Database) -> list[Any]:
    with database.read() as conn:
        return list(conn.execute(select(deliveries).order_by(deliveries.c.due_at)))
