"""The one table that is Tandem's own, beside MLflow's in the same database: what is to be sent.

It is in MLflow's database, not in one of its own, because only then can a change of the registry
and the deliveries that it causes be committed together. It has no foreign key to MLflow's tables:
MLflow's migrations rebuild those, and know nothing of tables that refer to them.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

OWN = MetaData()
"""Tandem's own tables: not part of the schema that is MLflow's."""

PREFIX: Final = "tandem_"
"""What the names of Tandem's own tables begin with, and no name of MLflow's does."""

deliveries = Table(
    "tandem_webhook_deliveries",
    OWN,
    # What the receiver sees as X-MLflow-Delivery-Id, the same at every attempt.
    Column("delivery_id", String(36), primary_key=True),
    Column("webhook_id", String(256), nullable=False),
    # The bytes that are signed and sent, as text.
    Column("body", Text, nullable=False),
    # Milliseconds since 1970. While an attempt is made, the end of its lease.
    Column("due_at", BigInteger, nullable=False),
    # Attempts begun.
    Column("attempts", Integer, nullable=False),
    Index("idx_tandem_webhook_deliveries_webhook_id_due_at", "webhook_id", "due_at"),
)
