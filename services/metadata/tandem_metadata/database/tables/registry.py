"""Registered models, their versions, tags and aliases."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from tandem_metadata.database.tables.base import FILLED, METADATA, RUN_ID

registered_models = Table(
    "registered_models",
    METADATA,
    Column("name", String(256), nullable=False),
    Column("creation_time", BigInteger, info=FILLED),
    Column("last_updated_time", BigInteger, info=FILLED),
    Column("description", String(5000)),
    PrimaryKeyConstraint("name", name="registered_model_pk"),
    UniqueConstraint("name"),
)

registered_model_tags = Table(
    "registered_model_tags",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(5000)),
    Column(
        "name",
        String(256),
        ForeignKey("registered_models.name", onupdate="CASCADE"),
        nullable=False,
    ),
    PrimaryKeyConstraint("key", "name", name="registered_model_tag_pk"),
)

registered_model_aliases = Table(
    "registered_model_aliases",
    METADATA,
    Column("alias", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", String(256), nullable=False),
    PrimaryKeyConstraint("name", "alias", name="registered_model_alias_pk"),
    ForeignKeyConstraint(
        ["name"],
        ["registered_models.name"],
        name="registered_model_alias_name_fkey",
        ondelete="CASCADE",
        onupdate="CASCADE",
    ),
)

model_versions = Table(
    "model_versions",
    METADATA,
    Column(
        "name",
        String(256),
        ForeignKey("registered_models.name", onupdate="CASCADE"),
        nullable=False,
    ),
    Column("version", Integer, nullable=False),
    Column("creation_time", BigInteger, info=FILLED),
    Column("last_updated_time", BigInteger, info=FILLED),
    Column("description", String(5000)),
    Column("user_id", String(256)),
    Column("current_stage", String(20), info=FILLED),
    Column("source", String(500)),
    Column("run_id", String(RUN_ID)),
    Column("status", String(20), info=FILLED),
    Column("status_message", String(500)),
    Column("run_link", String(500)),
    Column("storage_location", String(500)),
    PrimaryKeyConstraint("name", "version", name="model_version_pk"),
)

model_version_tags = Table(
    "model_version_tags",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", Text),
    Column("name", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("key", "name", "version", name="model_version_tag_pk"),
    ForeignKeyConstraint(
        ["name", "version"],
        ["model_versions.name", "model_versions.version"],
        onupdate="CASCADE",
    ),
)
