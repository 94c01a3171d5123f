"""Experiments and runs, and what is logged to runs."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tandem_metadata.database.tables.base import FILLED, METADATA, RUN_ID, UPSERTED

experiments = Table(
    "experiments",
    METADATA,
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(256), nullable=False),
    Column("artifact_location", String(256), info=FILLED),
    Column("lifecycle_stage", String(32), info=FILLED),
    Column("creation_time", BigInteger, info=FILLED),
    Column("last_update_time", BigInteger, info=FILLED),
    PrimaryKeyConstraint("experiment_id", name="experiment_pk"),
    CheckConstraint("lifecycle_stage IN ('active', 'deleted')", name="experiments_lifecycle_stage"),
    UniqueConstraint("name"),
)

experiment_tags = Table(
    "experiment_tags",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(5000)),
    Column("experiment_id", Integer, ForeignKey("experiments.experiment_id"), nullable=False),
    PrimaryKeyConstraint("key", "experiment_id", name="experiment_tag_pk"),
    info=UPSERTED,
)

runs = Table(
    "runs",
    METADATA,
    Column("run_uuid", String(RUN_ID), nullable=False),
    Column("name", String(250), info=FILLED),
    Column("source_type", String(20), info=FILLED),
    Column("source_name", String(500), info=FILLED),
    Column("entry_point_name", String(50), info=FILLED),
    Column("user_id", String(256), info=FILLED),
    Column("status", String(9), info=FILLED),
    Column("start_time", BigInteger, info=FILLED),
    Column("end_time", BigInteger),
    Column("source_version", String(50), info=FILLED),
    Column("lifecycle_stage", String(20), info=FILLED),
    Column("artifact_uri", String(200), info=FILLED),
    Column("experiment_id", Integer, ForeignKey("experiments.experiment_id"), info=FILLED),
    Column("deleted_time", BigInteger),
    PrimaryKeyConstraint("run_uuid", name="run_pk"),
    CheckConstraint(
        "source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')", name="source_type"
    ),
    CheckConstraint("lifecycle_stage IN ('active', 'deleted')", name="runs_lifecycle_stage"),
    CheckConstraint("status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED')"),
)

metrics = Table(
    "metrics",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", Float(53), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("run_uuid", String(RUN_ID), ForeignKey("runs.run_uuid"), nullable=False),
    Column("step", BigInteger, server_default="0", nullable=False),
    Column("is_nan", Boolean, server_default="0", nullable=False),
    PrimaryKeyConstraint(
        "key", "timestamp", "step", "run_uuid", "value", "is_nan", name="metric_pk"
    ),
    Index("index_metrics_run_uuid", "run_uuid"),
)

latest_metrics = Table(
    "latest_metrics",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", Float(53), nullable=False),
    Column("timestamp", BigInteger, info=FILLED),
    Column("step", BigInteger, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    Column("run_uuid", String(RUN_ID), ForeignKey("runs.run_uuid"), nullable=False),
    PrimaryKeyConstraint("key", "run_uuid", name="latest_metric_pk"),
    Index("index_latest_metrics_run_uuid", "run_uuid"),
    info=UPSERTED,
)

params = Table(
    "params",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(8000), nullable=False),
    Column("run_uuid", String(RUN_ID), ForeignKey("runs.run_uuid"), nullable=False),
    PrimaryKeyConstraint("key", "run_uuid", name="param_pk"),
    Index("index_params_run_uuid", "run_uuid"),
)

tags = Table(
    "tags",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(8000)),
    Column("run_uuid", String(RUN_ID), ForeignKey("runs.run_uuid"), nullable=False),
    PrimaryKeyConstraint("key", "run_uuid", name="tag_pk"),
    Index("index_tags_run_uuid", "run_uuid"),
    info=UPSERTED,
)

datasets = Table(
    "datasets",
    METADATA,
    Column("dataset_uuid", String(36), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("name", String(500), nullable=False),
    Column("digest", String(36), nullable=False),
    Column("dataset_source_type", String(36), nullable=False),
    Column("dataset_source", Text, nullable=False),
    Column("dataset_schema", Text),
    Column("dataset_profile", Text),
    PrimaryKeyConstraint("experiment_id", "name", "digest", name="dataset_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_datasets_experiment_id_experiments",
        ondelete="CASCADE",
    ),
    Index("index_datasets_dataset_uuid", "dataset_uuid"),
    Index(
        "index_datasets_experiment_id_dataset_source_type", "experiment_id", "dataset_source_type"
    ),
)

inputs = Table(
    "inputs",
    METADATA,
    Column("input_uuid", String(36), nullable=False),
    Column("source_type", String(36), nullable=False),
    Column("source_id", String(36), nullable=False),
    Column("destination_type", String(36), nullable=False),
    Column("destination_id", String(36), nullable=False),
    Column("step", BigInteger, server_default="0", nullable=False),
    PrimaryKeyConstraint(
        "source_type", "source_id", "destination_type", "destination_id", name="inputs_pk"
    ),
    Index("index_inputs_input_uuid", "input_uuid"),
    Index(
        "index_inputs_destination_type_destination_id_source_type",
        "destination_type",
        "destination_id",
        "source_type",
    ),
)

input_tags = Table(
    "input_tags",
    METADATA,
    Column("input_uuid", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("value", String(500), nullable=False),
    PrimaryKeyConstraint("input_uuid", "name", name="input_tags_pk"),
)
