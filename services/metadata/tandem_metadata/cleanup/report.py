"""What a `gc` has found, deleted and left: for people, as JSON, and as Prometheus' metrics."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tandem_metadata.cleanup.artifacts import Size
from tandem_metadata.cleanup.items import Item, Kind
from tandem_metadata.cleanup.retention import Invalid
from tandem_shared.settings import SettingsError, without_credentials

LISTED: Final = 10_000
"""Things of each list that are named in JSON; all are counted."""

_SHOWN: Final = 20
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(slots=True)
class Figures:
    """Of the things of one kind."""

    items: int = 0
    rows: int = 0
    files: int = 0
    bytes: int = 0

    def add(self, items: int, rows: int, size: Size) -> None:
        """Count some things."""
        self.items += items
        self.rows += rows
        self.files += size.files
        self.bytes += size.bytes


@dataclass(slots=True)
class Listed:
    """Things with a reason for each."""

    reasons: dict[tuple[Kind, str], str] = field(default_factory=dict)

    def add(self, item: Item, reason: str) -> None:
        """Name a thing, once."""
        self.reasons[item.kind, item.id] = reason

    def count(self, kind: Kind) -> int:
        """How many things of a kind there are."""
        return sum(each is kind for each, _ in self.reasons)

    def as_json(self) -> list[dict[str, str]]:
        """The first of them."""
        named = [*self.reasons.items()][:LISTED]
        return [{"kind": kind.one, "id": key, "reason": why} for (kind, key), why in named]

    def lines(self) -> Iterator[str]:
        """A line for each of the first things, and one for the rest."""
        for (kind, key), reason in [*self.reasons.items()][:_SHOWN]:
            yield f"  {kind.one} {key}: {reason}"
        if (more := len(self.reasons) - _SHOWN) > 0:
            yield f"  and {more:,} more (--report names them)"


def _per_kind() -> dict[Kind, Figures]:
    return {kind: Figures() for kind in Kind}


@dataclass(slots=True)
class Report:
    """Of one command."""

    planned: dict[Kind, Figures] = field(default_factory=_per_kind)
    deleted: dict[Kind, Figures] = field(default_factory=_per_kind)
    left: Listed = field(default_factory=Listed)
    failed: Listed = field(default_factory=Listed)
    unmeasured: Listed = field(default_factory=Listed)
    """Things whose files could not be counted."""
    invalid: tuple[Invalid, ...] = ()
    dry_run: bool = True
    with_sizes: bool = True
    started: float = 0.0
    """Seconds since 1970."""
    seconds: float = 0.0
    stopped: str = ""
    """Why the command ended before its work was done."""

    def leave(self, item: Item, reason: str) -> None:
        """Note that a thing stays, and why."""
        self.left.add(item, reason.rstrip("."))

    def fail(self, item: Item, reason: str) -> None:
        """Note that a thing could not be deleted."""
        self.failed.add(item, reason.rstrip("."))

    @property
    def status(self) -> int:
        """The exit status of the command."""
        wrong = self.unmeasured if self.dry_run else self.failed
        return 1 if wrong.reasons or self.stopped else 0

    @property
    def has_plan(self) -> bool:
        """Whether something was found that is to be deleted."""
        return any(each.items for each in self.planned.values())

    @property
    def is_empty(self) -> bool:
        """Whether all was looked at, and there is nothing to do and nothing done."""
        done = any(each.items for each in self.deleted.values())
        return not (self.has_plan or done or self.failed.reasons or self.stopped)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "dry_run": self.dry_run,
            "started_at": round(self.started * 1000),
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped or None,
            "planned": self._figures(self.planned),
            "deleted": self._figures(self.deleted),
            "left_count": len(self.left.reasons),
            "left": self.left.as_json(),
            "failed_count": len(self.failed.reasons),
            "failed": self.failed.as_json(),
            "unmeasured_count": len(self.unmeasured.reasons),
            "unmeasured": self.unmeasured.as_json(),
            "invalid_retention": [each._asdict() for each in self.invalid],
        }

    def _figures(self, of: Mapping[Kind, Figures]) -> dict[str, dict[str, int | None]]:
        return {
            kind.value: {
                "items": each.items,
                "rows": each.rows,
                "files": each.files if self.with_sizes else None,
                "bytes": each.bytes if self.with_sizes else None,
            }
            for kind, each in of.items()
        }

    def plan(self) -> Iterator[str]:
        """What is to be deleted, as lines."""
        yield "To be deleted for good:"
        yield from self._table(self.planned)
        yield from self._section("Left:", self.left)
        yield from self._section("Not measured:", self.unmeasured)
        if self.invalid:
            yield "Retention tags that give no age, so that nothing of their experiments goes:"
            for each in self.invalid:
                yield f"  experiment {each.experiment_id}: '{each.value}': {each.reason}"

    def outcome(self) -> Iterator[str]:
        """What was deleted, as lines."""
        yield f"Deleted in {self.seconds:.1f} s:"
        yield from self._table(self.deleted)
        yield from self._section("Left:", self.left)
        yield from self._section("Failed; the next gc tries again:", self.failed)
        if self.stopped:
            yield f"Stopped: {self.stopped} Run it again to go on."

    def _table(self, of: Mapping[Kind, Figures]) -> Iterator[str]:
        yield f"  {'':<14}{'items':>12}{'rows':>14}{'files':>12}{'size':>12}"
        for kind, each in of.items():
            files, size = (f"{each.files:,}", _size(each.bytes)) if self.with_sizes else ("?", "?")
            name = kind.value.replace("_", " ")
            yield f"  {name:<14}{each.items:>12,}{each.rows:>14,}{files:>12}{size:>12}"

    @staticmethod
    def _section(title: str, listed: Listed) -> Iterator[str]:
        if listed.reasons:
            yield title
            yield from listed.lines()

    def metrics(self) -> bytes:
        """In Prometheus' text format."""
        registry = CollectorRegistry()
        for name, figures, what in (
            ("planned", self.planned, "that the last gc found to delete for good"),
            ("deleted", self.deleted, "that the last gc deleted for good"),
        ):
            for measure in ("items", "rows", "bytes"):
                if measure == "bytes" and not self.with_sizes:
                    continue
                gauge = Gauge(
                    f"tandem_gc_{name}_{measure}",
                    f"{measure.capitalize()} {what}.",
                    ["kind"],
                    registry=registry,
                )
                for kind, each in figures.items():
                    gauge.labels(kind.value).set(getattr(each, measure))
        for name, listed, what in (
            ("left", self.left, "Items that the last gc left, for reasons that it names."),
            ("failed", self.failed, "Items that the last gc could not delete."),
        ):
            gauge = Gauge(f"tandem_gc_{name}_items", what, ["kind"], registry=registry)
            for kind in Kind:
                gauge.labels(kind.value).set(listed.count(kind))
        for name, value, what in (
            ("invalid_retention_tags", len(self.invalid), "Tags tandem.retention without an age."),
            ("success", 1 - self.status, "1 if the last gc met no failure, else 0."),
            ("dry_run", int(self.dry_run), "1 if the last gc only made a plan, else 0."),
            ("start_time_seconds", self.started, "When the last gc began, in Unix time."),
            ("duration_seconds", self.seconds, "Seconds that the last gc took."),
        ):
            Gauge(f"tandem_gc_{name}", what, registry=registry).set(value)
        return generate_latest(registry)


def check_place(path: str) -> None:
    """Raise SettingsError unless a file can be made there: to be asked before anything is done."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"The file {path} cannot be written: there is no such place.")


def write(path: str, content: bytes) -> None:
    """Write a file whole or not at all; raises SettingsError."""
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        with open(beside, "wb") as file:
            file.write(content)
        os.replace(beside, path)
    except OSError as error:
        raise SettingsError(f"The file {path} cannot be written: {error.strerror}.") from None


def encode(report: Report) -> bytes:
    """The report as JSON."""
    return json.dumps(report.as_json(), indent=2).encode() + b"\n"


def push(url: str, content: bytes) -> str:
    """Give metrics to a Pushgateway, over those of the last time; returns why not, or ""."""
    import httpx  # the service never needs it here

    shown = without_credentials(url)
    try:
        answer = httpx.put(f"{url.rstrip('/')}/metrics/job/tandem-gc", content=content, timeout=30)
    except httpx.HTTPError as error:
        return f"The Pushgateway {shown} does not answer: {str(error).rstrip('.')}."
    if answer.is_success:
        return ""
    return f"The Pushgateway {shown} answered {answer.status_code}."


def _size(number: int) -> str:
    size, unit = float(number), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:,.1f} {_UNITS[unit]}" if unit else f"{number} B"
