"""Evaluation datasets, their tags and their records.

Associations with experiments are in `tables.traces.entity_associations`.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tandem_metadata.database.tables.base import METADATA, UPSERTED


def _of_dataset(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["dataset_id"],
        ["evaluation_datasets.dataset_id"],
        name=f"fk_{table}_dataset_id",
        ondelete="CASCADE",
    )


evaluation_datasets = Table(
    "evaluation_datasets",
    METADATA,
    Column("dataset_id", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("schema", Text),
    Column("profile", Text),
    Column("digest", String(64)),
    Column("created_time", BigInteger),
    Column("last_update_time", BigInteger),
    Column("created_by", String(255)),
    Column("last_updated_by", String(255)),
    PrimaryKeyConstraint("dataset_id", name="evaluation_datasets_pk"),
    Index("index_evaluation_datasets_created_time", "created_time"),
    Index("index_evaluation_datasets_name", "name"),
)

evaluation_dataset_tags = Table(
    "evaluation_dataset_tags",
    METADATA,
    Column("dataset_id", String(36), nullable=False),
    Column("key", String(255), nullable=False),
    Column("value", String(5000)),
    PrimaryKeyConstraint("dataset_id", "key", name="evaluation_dataset_tags_pk"),
    _of_dataset("evaluation_dataset_tags"),
    Index("index_evaluation_dataset_tags_dataset_id", "dataset_id"),
    info=UPSERTED,
)

evaluation_dataset_records = Table(
    "evaluation_dataset_records",
    METADATA,
    Column("dataset_record_id", String(36), nullable=False),
    Column("dataset_id", String(36), nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("expectations", JSON),
    Column("tags", JSON),
    Column("source", JSON),
    Column("source_id", String(36)),
    Column("source_type", String(255)),
    Column("created_time", BigInteger),
    Column("last_update_time", BigInteger),
    Column("created_by", String(255)),
    Column("last_updated_by", String(255)),
    Column("input_hash", String(64), nullable=False),
    Column("outputs", JSON),
    PrimaryKeyConstraint("dataset_record_id", name="evaluation_dataset_records_pk"),
    _of_dataset("evaluation_dataset_records"),
    UniqueConstraint("dataset_id", "input_hash", name="unique_dataset_input"),
    Index("index_evaluation_dataset_records_dataset_id", "dataset_id"),
)
