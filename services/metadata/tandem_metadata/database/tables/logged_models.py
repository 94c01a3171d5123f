"""Logged models and their metrics, params and tags."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from tandem_metadata.database.tables.base import FILLED, METADATA, RUN_ID, UPSERTED


def _of_model(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["model_id"], ["logged_models.model_id"], name=f"fk_{table}_model_id", ondelete="CASCADE"
    )


def _of_experiment(table: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name=f"fk_{table}_experiment_id",
        ondelete=ondelete,
    )


logged_models = Table(
    "logged_models",
    METADATA,
    Column("model_id", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(500), nullable=False),
    Column("artifact_location", String(1000), nullable=False),
    Column("creation_timestamp_ms", BigInteger, nullable=False),
    Column("last_updated_timestamp_ms", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("lifecycle_stage", String(32), info=FILLED),
    Column("model_type", String(500)),
    Column("source_run_id", String(RUN_ID)),
    Column("status_message", String(1000)),
    PrimaryKeyConstraint("model_id", name="logged_models_pk"),
    CheckConstraint(
        "lifecycle_stage IN ('active', 'deleted')", name="logged_models_lifecycle_stage_check"
    ),
    _of_experiment("logged_models", ondelete="CASCADE"),
)

logged_model_metrics = Table(
    "logged_model_metrics",
    METADATA,
    Column("model_id", String(36), nullable=False),
    Column("metric_name", String(500), nullable=False),
    Column("metric_timestamp_ms", BigInteger, nullable=False),
    Column("metric_step", BigInteger, nullable=False),
    Column("metric_value", Float(53)),
    Column("experiment_id", Integer, nullable=False),
    Column("run_id", String(RUN_ID), nullable=False),
    Column("dataset_uuid", String(36)),
    Column("dataset_name", String(500)),
    Column("dataset_digest", String(36)),
    PrimaryKeyConstraint(
        "model_id",
        "metric_name",
        "metric_timestamp_ms",
        "metric_step",
        "run_id",
        name="logged_model_metrics_pk",
    ),
    _of_experiment("logged_model_metrics"),
    _of_model("logged_model_metrics"),
    ForeignKeyConstraint(
        ["run_id"], ["runs.run_uuid"], name="fk_logged_model_metrics_run_id", ondelete="CASCADE"
    ),
    Index("index_logged_model_metrics_model_id", "model_id"),
)

logged_model_params = Table(
    "logged_model_params",
    METADATA,
    Column("model_id", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("param_key", String(255), nullable=False),
    Column("param_value", Text, nullable=False),
    PrimaryKeyConstraint("model_id", "param_key", name="logged_model_params_pk"),
    _of_experiment("logged_model_params"),
    _of_model("logged_model_params"),
)

logged_model_tags = Table(
    "logged_model_tags",
    METADATA,
    Column("model_id", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("tag_key", String(255), nullable=False),
    Column("tag_value", Text, nullable=False),
    PrimaryKeyConstraint("model_id", "tag_key", name="logged_model_tags_pk"),
    _of_experiment("logged_model_tags"),
    _of_model("logged_model_tags"),
    info=UPSERTED,
)
