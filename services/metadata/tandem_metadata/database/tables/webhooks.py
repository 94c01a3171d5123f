"""Webhooks and the events that they subscribe to."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
)

from tandem_metadata.database.tables.base import METADATA

webhooks = Table(
    "webhooks",
    METADATA,
    Column("webhook_id", String(256), nullable=False),
    Column("name", String(256), nullable=False),
    Column("description", String(1000)),
    Column("url", String(500), nullable=False),
    Column("status", String(20), server_default="ACTIVE", nullable=False),
    Column("secret", String(1000)),
    Column("creation_timestamp", BigInteger),
    Column("last_updated_timestamp", BigInteger),
    Column("deleted_timestamp", BigInteger),
    PrimaryKeyConstraint("webhook_id", name="webhook_pk"),
    Index("idx_webhooks_name", "name"),
    Index("idx_webhooks_status", "status"),
)

webhook_events = Table(
    "webhook_events",
    METADATA,
    Column(
        "webhook_id",
        String(256),
        ForeignKey("webhooks.webhook_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("entity", String(50), nullable=False),
    Column("action", String(50), nullable=False),
    PrimaryKeyConstraint("webhook_id", "entity", "action", name="webhook_event_pk"),
    Index("idx_webhook_events_action", "action"),
    Index("idx_webhook_events_entity", "entity"),
    Index("idx_webhook_events_entity_action", "entity", "action"),
)
