"""The MetaData of a new database, and what its definitions share."""

from typing import Any, Final

from sqlalchemy import Column, MetaData, String, Table

HEAD: Final = MetaData()
"""Every table that MLflow makes at revision `known_revisions.HEAD`.

Constraints and indexes have MLflow's names. Where MLflow gives none, none is given here, so that
the database generates the same name.
"""


def extended(table: Table, *columns: Column[Any]) -> Table:
    """A table that Tandem uses, with the columns that newer revisions add."""
    made = table.to_metadata(HEAD)
    for column in columns:
        made.append_column(column)
    return made


def workspace() -> Column[Any]:
    """The column of a row's workspace; the database fills it."""
    return Column("workspace", String(63), server_default="default", nullable=False)
