"""The tables of grants that MLflow keeps from before it had roles; nobody reads them.

They are there so that MLflow, which deletes a user's rows of them, takes the database back.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table
from sqlalchemy import UniqueConstraint as Unique

from tandem_metadata.database.tables.accounts import ACCOUNTS, TOKENS


def _grants(name: str, *columns: Column[str], unique: str, foreign_key: str | None = None) -> Table:
    return Table(
        name,
        ACCOUNTS,
        Column("id", Integer, nullable=False),
        *columns,
        Column("user_id", Integer, ForeignKey("users.id", name=foreign_key), nullable=False),
        Column("permission", String(255)),
        PrimaryKeyConstraint("id"),
        Unique(*(column.name for column in columns), "user_id", name=unique),
    )


def _text(name: str, length: int = 255) -> Column[str]:
    return Column(name, String(length), nullable=False)


LEGACY: Final = (
    _grants(
        "experiment_permissions",
        _text("experiment_id"),
        unique="unique_experiment_user",
        foreign_key="fk_user_id",
    ),
    _grants(
        "registered_model_permissions",
        Column("workspace", String(63), nullable=False, server_default="default"),
        _text("name"),
        unique="unique_workspace_name_user",
        foreign_key="fk_user_id",
    ),
    _grants(
        "scorer_permissions",
        _text("experiment_id"),
        _text("scorer_name", 256),
        unique="unique_scorer_user",
        foreign_key="fk_scorer_perm_user_id",
    ),
    _grants(
        "gateway_secret_permissions",
        _text("secret_id"),
        unique="unique_secret_user",
        foreign_key="fk_gateway_secret_perm_user_id",
    ),
    _grants(
        "gateway_endpoint_permissions",
        _text("endpoint_id"),
        unique="unique_endpoint_user",
        foreign_key="fk_gateway_endpoint_perm_user_id",
    ),
    _grants(
        "gateway_model_definition_permissions",
        _text("model_definition_id"),
        unique="unique_model_def_user",
        foreign_key="fk_gateway_model_def_perm_user_id",
    ),
    Table(
        "workspace_permissions",
        ACCOUNTS,
        Column("workspace", String(63), nullable=False),
        Column("user_id", Integer, ForeignKey("users.id"), nullable=False),
        Column("permission", String(32), nullable=False),
        PrimaryKeyConstraint("workspace", "user_id", name="workspace_permissions_pk"),
        Index("idx_workspace_permissions_user_id", "user_id"),
        Index("idx_workspace_permissions_workspace", "workspace"),
    ),
)
"""Each has the column `user_id`."""

NAMES: Final = frozenset({*ACCOUNTS.tables, *TOKENS.tables, "alembic_version_auth"})
"""All tables of accounts, which may be in a database before the others are."""
