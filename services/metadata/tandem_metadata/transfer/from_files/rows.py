"""Rows of runs that are written together."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field
from sqlalchemy import Connection, Table

from tandem_metadata.database.tables import METADATA, tracking
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.tracking import metrics as run_metrics
from tandem_metadata.store.tracking.metrics import MetricRow
from tandem_metadata.transfer.copying import copy_rows
from tandem_metadata.transfer.file_store import metrics, runs
from tandem_metadata.transfer.report import Report

RUN: Final = (
    "run_uuid",
    "name",
    "source_type",
    "source_name",
    "entry_point_name",
    "user_id",
    "status",
    "start_time",
    "end_time",
    "source_version",
    "lifecycle_stage",
    "artifact_uri",
    "experiment_id",
    "deleted_time",
)
STATUS: Final = RUN.index("status")
END_TIME: Final = RUN.index("end_time")

KEYED: Final = ("run_uuid", "key", "value")
METRIC: Final = ("run_uuid", "key", "step", "timestamp", "value", "is_nan")
INPUT: Final = (
    "input_uuid",
    "source_type",
    "source_id",
    "destination_type",
    "destination_id",
    "step",
)
INPUT_TAG: Final = ("input_uuid", "name", "value")
_ENDED: Final = ("run_uuid", "status", "end_time")


class Rows(Struct):
    """Rows of what belongs to runs."""

    params: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[tuple[str, str, str]] = field(default_factory=list)
    metrics: list[MetricRow] = field(default_factory=list)
    inputs: list[tuple[Any, ...]] = field(default_factory=list)
    input_tags: list[tuple[str, str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.params) + len(self.tags) + len(self.metrics) + len(self.inputs)


class Batch(Struct):
    """Rows that are written in one transaction."""

    runs: list[tuple[Any, ...]] = field(default_factory=list)
    new: Rows = field(default_factory=Rows)
    """Rows that the database cannot have, and that are there once."""
    more: Rows = field(default_factory=Rows)
    """Rows that it may have."""
    latest: list[MetricRow] = field(default_factory=list)
    ended: list[tuple[str, str, int | None]] = field(default_factory=list)
    """Run, status and end time, of runs whose rows may tell that they go on."""

    def __len__(self) -> int:
        return len(self.runs) + len(self.new) + len(self.more) + len(self.latest)

    def write(self, conn: Connection | None, report: Report) -> None:
        """Write all, and tell the report; without a connection, only tell it."""
        _put(conn, tracking.runs, RUN, self.runs)
        report.imported(runs.RUNS, len(self.runs))
        for kind, name, columns in (
            (runs.PARAMS, "params", KEYED),
            (runs.TAGS, "tags", KEYED),
            (metrics.METRICS, "metrics", METRIC),
            (runs.INPUTS, "inputs", INPUT),
            (None, "input_tags", INPUT_TAG),
        ):
            new, more = getattr(self.new, name), getattr(self.more, name)
            table = METADATA.tables[name]
            written = _put(conn, table, columns, new) + _add(conn, table, columns, more)
            if kind:
                report.imported(kind, written)
                report.already_there(kind, len(new) + len(more) - written)
        if conn is not None:
            if self.latest:
                run_metrics.add_latest(conn, self.latest)
            bulk.update(conn, tracking.runs, _ENDED, self.ended)


def _put(
    conn: Connection | None, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> int:
    """Insert rows in the fastest way that stands another import at the same time.

    On PostgreSQL the lock of the transaction keeps that away.
    """
    if conn is not None and rows and is_postgresql(conn):
        return copy_rows(conn, table.name, columns, rows)
    return _add(conn, table, columns, rows)


def _add(
    conn: Connection | None, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> int:
    """Insert the rows that are not there yet; returns how many."""
    if conn is None:
        return len(rows)
    return bulk.insert_rows(conn, table, columns, rows, bulk.UNLESS_THERE)
