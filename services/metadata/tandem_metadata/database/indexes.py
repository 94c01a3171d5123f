"""Indexes beside MLflow's, which searches use where they exist.

A new database begins with those of `NEW` that are of its kind; `db optimize` adds what is missing.
MLflow's migrations ignore them: an index changes speed and nothing else.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Connection, bindparam, text

from tandem_metadata.database import trace_schema
from tandem_metadata.database.tables.traces import COSTS


@dataclass(frozen=True, slots=True)
class Index:
    """An index by its name, the table it is of, and what it is over."""

    name: str
    table: str
    columns: str
    where: str = ""
    """Which rows it has; empty for all of them."""
    dialects: Sequence[str] = ("sqlite", "postgresql")
    """The databases that have use for it."""
    of_costs: bool = False
    """Whether its columns are those that newer revisions have for costs."""
    counted: str = "runs"
    """The table of whose rows there must be many, so that the index pays off."""
    without: str = "searches read all of them"
    """What it costs not to have it."""

    def definition(self, dialect: str) -> str:
        """What follows CREATE INDEX and its options."""
        columns = self.columns
        if dialect == "sqlite":  # it sorts nulls as the smallest, and takes no NULLS LAST here
            columns = columns.replace(" NULLS LAST", "")
        where = f" WHERE {self.where}" if self.where else ""
        return f"{self.name} ON {self.table} ({columns}){where}"


STARTED: Final = Index(
    "tandem_runs_started",
    "runs",
    "experiment_id, start_time DESC NULLS LAST, run_uuid, lifecycle_stage",
)
"""The runs of an experiment, the latest first.

The stage is a column so that the index alone tells it. An update of a run's status or end time
changes no column of it, so PostgreSQL still updates the row in place (HOT).
"""

BEST: Final = Index("tandem_latest_metrics_best", "latest_metrics", "key, is_nan, value, run_uuid")
"""The runs by their latest value of a metric. Each new value costs an entry, and no row is HOT."""

SPAN_COSTS: Final = Index(
    "tandem_spans_costs",
    "spans",
    f"experiment_id, start_time_unix_nano, model_name, model_provider, {', '.join(COSTS)}",
    where=" OR ".join(f"{cost} IS NOT NULL" for cost in COSTS),
    dialects=("sqlite",),
    of_costs=True,
    counted="trace_info",
    without="charts of costs read all spans",
)
"""The costs of spans that have any, as PostgreSQL has them in an index of MLflow's.

On SQLite that index is of all spans and has no costs. Charts of costs then read each span of their
time: 0.4 s for a million of them, where this index takes 0.04 s. A span without a cost costs it
nothing.
"""

ALL: Final = (STARTED, BEST, SPAN_COSTS)
NEW: Final = (STARTED, SPAN_COSTS)
"""Those that a new database has, if they are of its kind."""

_SECONDS: Final = 10.0
"""How long a connection believes what it found of an index."""

MANY_RUNS: Final = 10_000
"""Runs of an experiment from which on a search without `STARTED` is slow enough to say so.

So many traces are as many.
"""

_log = logging.getLogger("tandem.db")

_MORE_RUNS: Final = text(
    "SELECT experiment_id FROM runs WHERE experiment_id IN :ids"
    " GROUP BY experiment_id HAVING count(*) > :some"
).bindparams(bindparam("ids", type_=BigInteger(), expanding=True))

_VALID: Final = {
    "postgresql": text(
        "SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:name)"
    ),
    "sqlite": text("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = :name"),
}


def of(conn: Connection) -> list[Index]:
    """Those of `ALL` that the database has use for, and the columns of."""
    has_costs = trace_schema.of(conn, fresh=True).has_columns
    return [
        index
        for index in ALL
        if conn.dialect.name in index.dialects and (has_costs or not index.of_costs)
    ]


def is_there(conn: Connection, index: Index) -> bool:
    """Whether the database has the index, complete."""
    return bool(conn.execute(_VALID[conn.dialect.name], {"name": index.name}).scalar())


def seems_there(conn: Connection, index: Index) -> bool:
    """As `is_there`, as the connection found it within the last ten seconds.

    An index may come and go while Tandem runs. Until a connection sees that, its searches find the
    same, and are only slower than they could be.
    """
    found: tuple[float, bool] | None = conn.info.get(index.name)
    now = time.monotonic()
    if found is None or now - found[0] > _SECONDS:
        found = conn.info[index.name] = (now, is_there(conn, index))
    return found[1]


class SlowSearches:
    """Says once in the log that searches read large experiments without `STARTED`.

    Threads may share one: at worst two of them look, or say it, at the same time.
    """

    _LOOK_SECONDS: Final = 60.0

    def __init__(self) -> None:
        self._next_look = 0.0

    def note(self, conn: Connection, experiment_ids: Sequence[int]) -> None:
        """Note that these experiments were searched.

        Looks for the index at most once a minute. Only if it is missing, the runs are counted, for
        which the database reads no more than for the search.
        """
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._LOOK_SECONDS
        given = {"ids": list(experiment_ids), "some": MANY_RUNS}
        if is_there(conn, STARTED) or not (found := conn.execute(_MORE_RUNS, given).first()):
            return
        self._next_look = math.inf
        _log.warning(
            "an experiment (id %d) of more than %s runs was searched without the index %s, so all "
            "of them were read; `tandem-metadata db optimize --backend-store-uri …` adds it while "
            "the service runs",
            found.experiment_id,
            f"{MANY_RUNS:,}",
            STARTED.name,
        )
