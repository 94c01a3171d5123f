"""Evaluation datasets, scorers and when they run, and associations between any two things."""

from sqlalchemy import (
    BigInteger,
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

from tandem_metadata.database.head.base import HEAD, extended, workspace
from tandem_metadata.database.tables import evaluation, traces

evaluation_datasets = extended(evaluation.evaluation_datasets, workspace())
evaluation_dataset_tags = extended(evaluation.evaluation_dataset_tags)
evaluation_dataset_records = extended(evaluation.evaluation_dataset_records)

Index("idx_evaluation_datasets_workspace", evaluation_datasets.c.workspace)

scorers = Table(
    "scorers",
    HEAD,
    Column("experiment_id", Integer, nullable=False),
    Column("scorer_name", String(256), nullable=False),
    Column("scorer_id", String(36), nullable=False),
    PrimaryKeyConstraint("scorer_id", name="scorer_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_scorers_experiment_id",
        ondelete="CASCADE",
    ),
    Index("index_scorers_experiment_id_scorer_name", "experiment_id", "scorer_name", unique=True),
)

scorer_versions = Table(
    "scorer_versions",
    HEAD,
    Column("scorer_id", String(36), nullable=False),
    Column("scorer_version", Integer, nullable=False),
    Column("serialized_scorer", Text, nullable=False),
    Column("creation_time", BigInteger),
    PrimaryKeyConstraint("scorer_id", "scorer_version", name="scorer_version_pk"),
    ForeignKeyConstraint(
        ["scorer_id"],
        ["scorers.scorer_id"],
        name="fk_scorer_versions_scorer_id",
        ondelete="CASCADE",
    ),
    Index("index_scorer_versions_scorer_id", "scorer_id"),
)

online_scoring_configs = Table(
    "online_scoring_configs",
    HEAD,
    Column("online_scoring_config_id", String(36), nullable=False),
    Column("scorer_id", String(36), nullable=False),
    Column("sample_rate", Float(53), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("filter_string", Text),
    PrimaryKeyConstraint("online_scoring_config_id", name="online_scoring_config_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_online_scoring_configs_experiment_id",
    ),
    ForeignKeyConstraint(
        ["scorer_id"],
        ["scorers.scorer_id"],
        name="fk_online_scoring_configs_scorer_id",
        ondelete="CASCADE",
    ),
)

entity_associations = extended(traces.entity_associations)
