"""What Tandem is meant to reach, as ratios within one run: on PostgreSQL, with two workers."""

from dataclasses import dataclass

from tests.benchmark.results import Results
from tests.benchmark.rows import BATCH

DATABASE = "postgresql"
TANDEM = "tandem"
UVICORN = "tandem-uvicorn"
HYPERCORNS_PART = 0.6
"""Of a ratio that Hypercorn's own share keeps a row from, and that it reaches under Uvicorn."""
LIMITS = "limits"


@dataclass(frozen=True)
class Target:
    row: str
    against: str
    """A server or a limit; empty when the figure itself is meant."""
    bound: float
    factor: float = 1
    """Units of the limit in one of the row."""

    @property
    def has_uvicorn(self) -> bool:
        """Whether it may be reached under Uvicorn instead."""
        return bool(self.against) and not self.against.startswith("hypercorn")

    @property
    def is_limit(self) -> bool:
        return self.against not in ("mlflow", "fasttrackml")


TARGETS = (
    Target("log-metric-16", "fasttrackml", 5),
    Target("log-metric-16", "mlflow", 25),
    Target("log-metric-16", "raw-commit", 2),
    Target("log-metric-1", "fasttrackml", 5),
    Target("log-metric-1", "mlflow", 25),
    Target("log-metric-1", "raw-commit", 2),
    Target("log-batch", "fasttrackml", 2),
    Target("log-batch", "mlflow", 10),
    Target("log-batch", "raw-unnest", 0.5, BATCH),
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
)


def reached(results: Results, target: Target, tandem: str = TANDEM) -> float | None:
    """The ratio that was measured, or None when one of its figures is missing or means nothing."""
    ours = results.value(place(results, tandem, target.row), tandem, target.row)
    if not target.against or not ours:
        return ours
    server = LIMITS if target.is_limit else target.against
    row = target.against if target.is_limit else target.row
    theirs = results.value(place(results, server, row), server, row)
    if not theirs:
        return None
    figure = results.figure(place(results, tandem, target.row), tandem, target.row)
    if figure and figure.lower_is_better:
        return theirs / ours
    return ours * target.factor / theirs


def met(target: Target, value: float) -> bool:
    """Whether that is enough; a figure that is meant itself must not be more than the bound."""
    return value >= target.bound if target.against else value <= target.bound


def verdict(results: Results, target: Target) -> str:
    """Whether it was met under Hypercorn, or else under Uvicorn and by a part under Hypercorn."""
    value = reached(results, target)
    if value is None:
        return "not measured"
    if met(target, value):
        return "met"
    faster = reached(results, target, UVICORN) if target.has_uvicorn else None
    if faster is None or not met(target, faster) or value < HYPERCORNS_PART * target.bound:
        return "**not met**"
    return "met under Uvicorn"


def place(results: Results, server: str, row: str) -> str:
    """The database under which a figure is: rows of files have none."""
    return DATABASE if results.figure(DATABASE, server, row) else ""
