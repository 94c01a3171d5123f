"""Workspaces, which rows of other tables name."""

from sqlalchemy import Column, PrimaryKeyConstraint, String, Table, Text

from tandem_metadata.database.head.base import HEAD

workspaces = Table(
    "workspaces",
    HEAD,
    Column("name", String(63), nullable=False),
    Column("description", Text),
    Column("default_artifact_root", Text),
    Column("trace_archival_location", Text),
    Column("trace_archival_retention", String(32)),
    PrimaryKeyConstraint("name", name="workspaces_pk"),
)
