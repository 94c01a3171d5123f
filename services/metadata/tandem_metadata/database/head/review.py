"""Issues found in traces, and queues of traces that people review."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from tandem_metadata.database.head.base import HEAD

issues = Table(
    "issues",
    HEAD,
    Column("issue_id", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(250), nullable=False),
    Column("description", Text, nullable=False),
    Column("status", String(50), nullable=False),
    Column("severity", String(50)),
    Column("root_causes", Text),
    Column("source_run_id", String(32)),
    Column("categories", Text),
    Column("created_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("created_by", String(255)),
    PrimaryKeyConstraint("issue_id", name="issues_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_issues_experiment_id",
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["source_run_id"], ["runs.run_uuid"], name="fk_issues_source_run_id", ondelete="SET NULL"
    ),
    Index("index_issues_experiment_id", "experiment_id"),
    Index("index_issues_source_run_id", "source_run_id"),
    Index("index_issues_status", "status"),
)

label_schemas = Table(
    "label_schemas",
    HEAD,
    Column("schema_id", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(250), nullable=False),
    Column("type", String(16), nullable=False),
    Column("instruction", Text),
    Column("enable_comment", Boolean, server_default="0", nullable=False),
    Column("input_type", String(32), nullable=False),
    Column("input_config", Text, nullable=False),
    Column("created_by", String(255)),
    Column("created_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("is_default", Boolean, server_default=false(), nullable=False),
    PrimaryKeyConstraint("schema_id", name="label_schemas_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_label_schemas_experiment_id",
        ondelete="CASCADE",
    ),
    UniqueConstraint("experiment_id", "name", name="uq_label_schemas_exp_name"),
    Index("index_label_schemas_experiment_id", "experiment_id"),
)

review_queues = Table(
    "review_queues",
    HEAD,
    Column("queue_id", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(250), nullable=False),
    Column("queue_type", String(16), nullable=False),
    Column("created_by", String(255)),
    Column("creation_time_ms", BigInteger, nullable=False),
    Column("last_update_time_ms", BigInteger, nullable=False),
    Column("name_key", String(250), nullable=False),
    PrimaryKeyConstraint("queue_id", name="review_queues_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_review_queues_experiment_id",
        ondelete="CASCADE",
    ),
    UniqueConstraint("experiment_id", "name_key", name="uq_review_queues_experiment_name_key"),
    Index("index_review_queues_experiment_id", "experiment_id"),
)

review_queue_items = Table(
    "review_queue_items",
    HEAD,
    Column("queue_id", String(36), nullable=False),
    Column("item_type", String(16), nullable=False),
    Column("item_id", String(50), nullable=False),
    Column("status", String(16), nullable=False),
    Column("completed_by", String(250)),
    Column("completed_time_ms", BigInteger),
    Column("creation_time_ms", BigInteger, nullable=False),
    Column("last_update_time_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("queue_id", "item_id", name="review_queue_items_pk"),
    ForeignKeyConstraint(
        ["queue_id"],
        ["review_queues.queue_id"],
        name="fk_review_queue_items_queue_id",
        ondelete="CASCADE",
    ),
    Index("index_review_queue_items_item_id", "item_id"),
    Index("index_review_queue_items_queue_id_status", "queue_id", "status"),
)

review_queue_label_schemas = Table(
    "review_queue_label_schemas",
    HEAD,
    Column("queue_id", String(36), nullable=False),
    Column("schema_id", String(36), nullable=False),
    PrimaryKeyConstraint("queue_id", "schema_id", name="review_queue_label_schemas_pk"),
    ForeignKeyConstraint(
        ["queue_id"],
        ["review_queues.queue_id"],
        name="fk_review_queue_label_schemas_queue_id",
        ondelete="CASCADE",
    ),
    Index("index_review_queue_label_schemas_schema_id", "schema_id"),
)

review_queue_users = Table(
    "review_queue_users",
    HEAD,
    Column("queue_id", String(36), nullable=False),
    Column("user_id", String(250), nullable=False),
    PrimaryKeyConstraint("queue_id", "user_id", name="review_queue_users_pk"),
    ForeignKeyConstraint(
        ["queue_id"],
        ["review_queues.queue_id"],
        name="fk_review_queue_users_queue_id",
        ondelete="CASCADE",
    ),
    Index("index_review_queue_users_user_id", "user_id"),
)
