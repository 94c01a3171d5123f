"""All tables of a new database, at the newest revision of the MLflow that Tandem follows.

Where a table is one of `tables`, only what newer revisions change is written here.
"""

from tandem_metadata.database.head import (
    evaluation,
    gateway,
    jobs,
    mcp,
    registry,
    review,
    rollups,
    traces,
    tracking,
    workspaces,
)
from tandem_metadata.database.head.base import HEAD

__all__ = [
    "HEAD",
    "evaluation",
    "gateway",
    "jobs",
    "mcp",
    "registry",
    "review",
    "rollups",
    "traces",
    "tracking",
    "workspaces",
]
