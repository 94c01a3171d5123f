"""What a benchmark found, kept as JSON so that the page can be rendered again."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement."""

    database: str
    """`postgresql`, `sqlite`, or empty where there is none."""
    server: str
    row: str
    value: float
    unit: str
    fault: str | None = None
    """Why the value means nothing, if so."""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def lower_is_better(self) -> bool:
        return self.unit in ("s", "ms", "MiB", "×")


@dataclass(frozen=True)
class Apart:
    """Rows that were measured in another run than the rest."""

    rows: list[str]
    machine: dict[str, str]
    versions: dict[str, str]


@dataclass
class Results:
    """All of one benchmark."""

    seconds: int = 0
    """Of each window of load."""
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    apart: list[Apart] = field(default_factory=list)

    def take(self, other: "Results") -> None:
        """Put the figures of another run in the place of those of the same rows."""
        taken = {(each.database, each.server, each.row) for each in other.figures}
        self.figures = [
            each for each in self.figures if (each.database, each.server, each.row) not in taken
        ]
        self.figures += other.figures
        rows = [*dict.fromkeys(each.row for each in other.figures)]
        self.apart = [each for each in self.apart if not {*each.rows} <= {*rows}]
        self.apart.append(Apart(rows, other.machine, other.versions))
        self.settings = other.settings | self.settings

    def value(self, database: str, server: str, row: str) -> float | None:
        """A figure that counts, or None."""
        figure = self.figure(database, server, row)
        return figure.value if figure and not figure.fault else None

    def figure(self, database: str, server: str, row: str) -> Figure | None:
        """What was measured last for a row, on this database or, as with files, on none."""
        for each in reversed(self.figures):
            if each.database in (database, "") and (each.server, each.row) == (server, row):
                return each
        return None

    def times(
        self, database: str, server: str, other: str, row: str, others: str = ""
    ) -> float | None:
        """How many times as good a figure is as another's, of the same row or of `others`.

        None when one of them is missing or means nothing.
        """
        ours = self.figure(database, server, row)
        theirs = self.value(database, other, others or row)
        if ours is None or ours.fault or not ours.value or not theirs:
            return None
        return theirs / ours.value if ours.lower_is_better else ours.value / theirs

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> Results:
    """What `save` kept."""
    kept = json.loads(path.read_text())
    figures = [Figure(**each) for each in kept.pop("figures")]
    apart = [Apart(**each) for each in kept.pop("apart", [])]
    return Results(**kept, figures=figures, apart=apart)
