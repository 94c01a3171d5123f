"""What was measured in growth, kept as JSON, and what follows from it."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

SMALL, LARGE = "small", "large"


@dataclass
class Series:
    """One row on one database, round after round."""

    state: str
    """Of the large database when this was measured, be it of that one or of the small one."""
    side: str
    """`SMALL` or `LARGE`."""
    row: str
    rates: list[float] = field(default_factory=list)
    """Requests a second, one figure a round."""
    milliseconds: list[float] = field(default_factory=list)
    """How long a single client waited, of all rounds."""
    fault: str | None = None
    """Why the figures mean nothing, if so."""

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Listing:
    """One directory, listed by one service."""

    service: str
    entries: int
    seconds: float
    mebibytes: float
    """Of the answer."""
    before: float
    """MiB of the process that answered, before."""
    peak: float
    """The most it had until the answer was there."""


@dataclass
class Found:
    """All of one benchmark."""

    database: str
    settings: dict[str, str] = field(default_factory=dict)
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)

    @property
    def rows(self) -> set[str]:
        """What was measured."""
        return {each.row for each in self.series}

    def of(self, state: str, side: str, row: str) -> Series | None:
        """What was measured, if it was and means anything."""
        for each in self.series:
            if (each.state, each.side, each.row) == (state, side, row) and not each.fault:
                return each
        return None

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Found:
    """What `save` kept."""
    kept = json.loads(path.read_text())
    series = [Series(**each) for each in kept.pop("series")]
    listings = [Listing(**each) for each in kept.pop("listings")]
    return Found(**kept, series=series, listings=listings)


def kept(small: Series, large: Series) -> float:
    """The part of the small database's rate that the large one has, by the medians."""
    return large.rate / small.rate


def spread(small: Series, large: Series) -> tuple[float, float]:
    """The least and the greatest part in a single round, whose two figures are of the same time."""
    parts = [ours / base for base, ours in zip(small.rates, large.rates, strict=True)]
    return min(parts), max(parts)


def percentile(values: Sequence[float], part: float) -> float:
    """The least value that so great a part of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
