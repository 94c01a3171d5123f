"""What Tandem is meant to reach, as ratios within one run, with two workers."""

from dataclasses import dataclass

from tests.benchmark import accounts, limits, rows, trace_times
from tests.benchmark.limits import Limit
from tests.benchmark.measure import LIMITS
from tests.benchmark.results import Results

DEFAULT = "tandem"
UVICORN = "tandem-uvicorn"


@dataclass(frozen=True)
class Target:
    row: str
    against: str
    """A server or a limit; empty when the figure itself is meant."""
    bound: float
    database: str = "postgresql"
    unit: str = "MiB"
    """Of the figure itself, where that is meant."""

    @property
    def is_limit(self) -> bool:
        return self.against not in ("mlflow", "fasttrackml")


_OF_TRACES = (
    ("trace-otlp", 8),
    ("trace-stock", 10),
    ("trace-one-by-one", 10),
    ("trace-together", 5),
    ("trace-search", 4),
    ("trace-get", 3),
)
"""How many times MLflow's rate, on both databases."""
_TIMES_OF_TRACES = (
    ("trace-cpu", 5, "ms"),
    *((row, 50, "ms") for row in trace_times.FILTERS),
    ("trace-large", 0.5, "s"),
    ("log-metric-flood", 2, "×"),
)
"""The most, on both databases."""

TARGETS = (
    Target("log-metric-16", "fasttrackml", 5),
    Target("log-metric-16", "mlflow", 25),
    Target("log-metric-16", "raw-commit", 2),
    Target("log-metric-1", "fasttrackml", 5),
    Target("log-metric-1", "mlflow", 25),
    Target("log-metric-1", "raw-commit", 2),
    Target("log-batch", "fasttrackml", 2),
    Target("log-batch", "mlflow", 10),
    Target("log-batch", "raw-unnest", 0.5),
    Target("create-run", "fasttrackml", 3),
    Target("create-run", "mlflow", 20),
    Target("get-run", "fasttrackml", 1.5),
    Target("get-run", "mlflow", 25),
    Target("get-run", "hypercorn-get", 0.45),
    Target("search", "fasttrackml", 5),
    Target("search", "mlflow", 40),
    Target("search-filtered", "fasttrackml", 3),
    Target("search-filtered", "mlflow", 40),
    Target("history", "fasttrackml", 3),
    Target("history", "mlflow", 20),
    Target("artifact-put", "mlflow", 5),
    Target("artifact-get", "mlflow", 8),
    Target("upload", "mlflow", 1.3),
    Target("upload", "nginx-upload", 0.8),
    Target("download", "mlflow", 2.5),
    Target("download", "hypercorn-download", 0.9),
    Target("start-up", "mlflow", 10),
    Target("memory-idle-process", "", 90),
    *(
        Target(name, "fasttrackml", 1, database="sqlite")
        for name, row in rows.ROWS.items()
        if "fasttrackml" not in row.absent
    ),
    *(
        Target(row, "mlflow", times, database)
        for database in ("postgresql", "sqlite")
        for row, times in _OF_TRACES
    ),
    *(
        Target(row, "", most, database, unit)
        for database in ("postgresql", "sqlite")
        for row, most, unit in _TIMES_OF_TRACES
    ),
)


@dataclass(frozen=True)
class Cost:
    """The share of its rate that a row is to keep with accounts."""

    row: str
    sender: str
    bound: float


COSTS = tuple(
    Cost(name, sender, bound)
    for name, row in accounts.ROWS.items()
    for sender, bound in row.least.items()
)


def kept(results: Results, database: str, cost: Cost) -> float | None:
    """The share that was measured, or None."""
    return results.value(database, cost.sender, cost.row)


def reached(results: Results, target: Target, tandem: str = DEFAULT) -> float | None:
    """The ratio that was measured, or None when one of its figures is missing or means nothing."""
    if not target.against:
        return results.value(target.database, tandem, target.row)
    if target.is_limit:
        return share(results, target.row, LIMITS[target.against], tandem)
    return results.times(target.database, tandem, target.against, target.row)


def share(results: Results, row: str, limit: Limit, tandem: str) -> float | None:
    """How many times what the limit has at best, in the units of the limit."""
    times = results.times("postgresql", tandem, limits.NAME, row, limit.name)
    return times and times * limit.units


def verdict(results: Results, target: Target, tandem: str = DEFAULT) -> str:
    """Whether that is enough; a figure that is meant itself must not be more than the bound."""
    value = reached(results, target, tandem)
    if value is None:
        return "not measured"
    met = value >= target.bound if target.against else value <= target.bound
    return "met" if met else "**not met**"
