"""Indexes beside MLflow's, which searches use where they are: `db optimize` adds them.

MLflow's migrations know nothing of them and need not: an index has no meaning but speed.
"""

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its name, the table it is of, and what it is over, on either database."""

    name: str
    table: str
    columns: str

    def definition(self, dialect: str) -> str:
        """What follows CREATE INDEX and its options."""
        columns = self.columns
        if dialect == "sqlite":  # where null counts as smallest, and says so in no index
            columns = columns.replace(" NULLS LAST", "")
        return f"{self.name} ON {self.table} ({columns})"


STARTED: Final = Index(
    "tandem_runs_started",
    "runs",
    "experiment_id, start_time DESC NULLS LAST, run_uuid, lifecycle_stage",
)
"""The runs of an experiment, the latest first. The stage is in it to be looked at, not to sort."""

BEST: Final = Index("tandem_latest_metrics_best", "latest_metrics", "key, is_nan, value, run_uuid")
"""The runs by their latest value of a metric."""

ALL: Final = (STARTED, BEST)

_SECONDS: Final = 10.0

_VALID: Final = {
    "postgresql": text(
        "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:name)"
    ),
    "sqlite": text("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = :name"),
}


def is_there(conn: Connection, index: Index) -> bool:
    """Whether the database has the index, complete."""
    return bool(conn.execute(_VALID[conn.dialect.name], {"name": index.name}).scalar())


def seems_there(conn: Connection, index: Index) -> bool:
    """As `is_there`, as a connection has found it within the last seconds.

    It may come and go while Tandem runs; until that is seen, a search is as right as ever, and only
    slower than it could be.
    """
    found: tuple[float, bool] | None = conn.info.get(index.name)
    now = time.monotonic()
    if found is None or now - found[0] > _SECONDS:
        found = conn.info[index.name] = (now, is_there(conn, index))
    return found[1]
