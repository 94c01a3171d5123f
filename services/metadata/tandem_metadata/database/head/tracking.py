"""Experiments, runs, logged models, and what is logged to them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tandem_metadata.database.head.base import HEAD, extended, workspace
from tandem_metadata.database.tables import logged_models, tracking

experiments = Table(
    "experiments",
    HEAD,
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(256), nullable=False),
    Column("artifact_location", String(256)),
    Column("lifecycle_stage", String(32)),
    Column("creation_time", BigInteger),
    Column("last_update_time", BigInteger),
    workspace(),
    PrimaryKeyConstraint("experiment_id", name="experiment_pk"),
    CheckConstraint("lifecycle_stage IN ('active', 'deleted')", name="experiments_lifecycle_stage"),
    UniqueConstraint("workspace", "name", name="uq_experiments_workspace_name"),
    Index("idx_experiments_workspace", "workspace"),
    Index("idx_experiments_workspace_creation_time", "workspace", "creation_time"),
)

experiment_tags = Table(
    "experiment_tags",
    HEAD,
    Column("key", String(250), nullable=False),
    Column("value", Text),
    Column("experiment_id", Integer, ForeignKey("experiments.experiment_id"), nullable=False),
    PrimaryKeyConstraint("key", "experiment_id", name="experiment_tag_pk"),
)

metrics = extended(tracking.metrics)
latest_metrics = extended(tracking.latest_metrics)
Index("index_metrics_run_uuid_key_step", metrics.c.run_uuid, metrics.c.key, metrics.c.step)

for _table in (metrics, latest_metrics):
    # SQLite stores booleans as integers.
    _table.append_constraint(CheckConstraint("is_nan IN (0, 1)").ddl_if(dialect="sqlite"))

for _unchanged in (
    tracking.runs,
    tracking.params,
    tracking.tags,
    tracking.datasets,
    tracking.inputs,
    tracking.input_tags,
    logged_models.logged_models,
    logged_models.logged_model_metrics,
    logged_models.logged_model_params,
    logged_models.logged_model_tags,
):
    extended(_unchanged)
