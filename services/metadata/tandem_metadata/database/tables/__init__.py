"""The tables of MLflow that Tandem uses, as SQLAlchemy Core tables, one module a subject."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from tandem_metadata.database.tables import (
    evaluation,
    logged_models,
    registry,
    scorers,
    traces,
    tracking,
    webhooks,
)
from tandem_metadata.database.tables.base import METADATA

__all__ = [
    "METADATA",
    "evaluation",
    "insert",
    "logged_models",
    "registry",
    "scorers",
    "traces",
    "tracking",
    "webhooks",
]


def insert(conn: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """The dialect's own INSERT, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if conn.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
