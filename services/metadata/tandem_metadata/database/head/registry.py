"""Registered models, their versions, tags and aliases, and webhooks: all in workspaces."""

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

from tandem_metadata.database.head.base import HEAD, extended, workspace
from tandem_metadata.database.tables import webhooks as used
from tandem_metadata.database.tables.base import RUN_ID


def _of_model(table: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace", "name"],
        ["registered_models.workspace", "registered_models.name"],
        name=f"fk_{table}_registered_models",
        ondelete=ondelete,
        onupdate="CASCADE",
    )


registered_models = Table(
    "registered_models",
    HEAD,
    Column("name", String(256), nullable=False),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
    Column("description", String(5000)),
    workspace(),
    PrimaryKeyConstraint("workspace", "name", name="registered_model_pk"),
    Index("idx_registered_models_workspace", "workspace"),
)

registered_model_tags = Table(
    "registered_model_tags",
    HEAD,
    Column("key", String(250), nullable=False),
    Column("value", String(5000)),
    Column("name", String(256), nullable=False),
    workspace(),
    PrimaryKeyConstraint("workspace", "key", "name", name="registered_model_tag_pk"),
    _of_model("registered_model_tags"),
    Index("idx_registered_model_tags_workspace_name", "workspace", "name"),
)

registered_model_aliases = Table(
    "registered_model_aliases",
    HEAD,
    Column("alias", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", String(256), nullable=False),
    workspace(),
    PrimaryKeyConstraint("workspace", "name", "alias", name="registered_model_alias_pk"),
    _of_model("registered_model_aliases", ondelete="CASCADE"),
)

model_versions = Table(
    "model_versions",
    HEAD,
    Column("name", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("creation_time", BigInteger),
    Column("last_updated_time", BigInteger),
    Column("description", String(5000)),
    Column("user_id", String(256)),
    Column("current_stage", String(20)),
    Column("source", String(500)),
    Column("run_id", String(RUN_ID)),
    Column("status", String(20)),
    Column("status_message", String(500)),
    Column("run_link", String(500)),
    Column("storage_location", String(500)),
    workspace(),
    PrimaryKeyConstraint("workspace", "name", "version", name="model_version_pk"),
    _of_model("model_versions"),
)

model_version_tags = Table(
    "model_version_tags",
    HEAD,
    Column("key", String(250), nullable=False),
    Column("value", Text),
    Column("name", String(256), nullable=False),
    Column("version", Integer, nullable=False),
    workspace(),
    PrimaryKeyConstraint("workspace", "key", "name", "version", name="model_version_tag_pk"),
    ForeignKeyConstraint(
        ["workspace", "name", "version"],
        ["model_versions.workspace", "model_versions.name", "model_versions.version"],
        name="fk_model_version_tags_model_versions",
        onupdate="CASCADE",
    ),
    Index("idx_model_version_tags_workspace_name_version", "workspace", "name", "version"),
)

webhooks = extended(used.webhooks, workspace())
Index("idx_webhooks_workspace", webhooks.c.workspace)
webhook_events = extended(used.webhook_events)
