"""Scorers of experiments, and their versions."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from tandem_metadata.database.tables.base import FILLED, METADATA

scorers = Table(
    "scorers",
    METADATA,
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
    METADATA,
    Column("scorer_id", String(36), nullable=False),
    Column("scorer_version", Integer, nullable=False),
    Column("serialized_scorer", Text, nullable=False),
    Column("creation_time", BigInteger, info=FILLED),
    PrimaryKeyConstraint("scorer_id", "scorer_version", name="scorer_version_pk"),
    ForeignKeyConstraint(
        ["scorer_id"],
        ["scorers.scorer_id"],
        name="fk_scorer_versions_scorer_id",
        ondelete="CASCADE",
    ),
    Index("index_scorer_versions_scorer_id", "scorer_id"),
)
