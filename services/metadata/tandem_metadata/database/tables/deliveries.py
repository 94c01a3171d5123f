"""Tandem's own table: deliveries to webhooks that are still to be made.

It is in MLflow's database, so that one transaction commits a change of the registry and its
deliveries. It has no foreign key to MLflow's tables: MLflow's migrations rebuild those, and know
nothing of references to them.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

OWN = MetaData()
"""Tandem's own tables, apart from MLflow's schema."""

PREFIX: Final = "tandem_"
"""Prefix of the names of Tandem's own tables; no table of MLflow's has it."""

deliveries = Table(
    "tandem_webhook_deliveries",
    OWN,
    # Sent as X-MLflow-Delivery-Id, the same at every attempt.
    Column("delivery_id", String(36), primary_key=True),
    Column("webhook_id", String(256), nullable=False),
    # The bytes that are signed and sent, as text.
    Column("body", Text, nullable=False),
    # Milliseconds since 1970. During an attempt, the end of its lease.
    Column("due_at", BigInteger, nullable=False),
    # Attempts begun.
    Column("attempts", Integer, nullable=False),
    Index("idx_tandem_webhook_deliveries_webhook_id_due_at", "webhook_id", "due_at"),
)
