"""Evaluation datasets, scorers and when they run, and associations between any two things."""

from sqlalchemy import (
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
from tandem_metadata.database.tables import scorers as scorer_tables

evaluation_datasets = extended(evaluation.evaluation_datasets, workspace())
evaluation_dataset_tags = extended(evaluation.evaluation_dataset_tags)
evaluation_dataset_records = extended(evaluation.evaluation_dataset_records)

Index("idx_evaluation_datasets_workspace", evaluation_datasets.c.workspace)

scorers = extended(scorer_tables.scorers)
scorer_versions = extended(scorer_tables.scorer_versions)

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
