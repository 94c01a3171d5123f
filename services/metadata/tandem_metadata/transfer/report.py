"""What became of everything that a transfer met: counts by kind, and what was skipped and why."""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MOST_LISTED: Final = 10_000
"""Problems that a report holds one by one; further ones are only counted, so that memory is
bounded."""

_MOST_SHOWN: Final = 50
_LONGEST_NAME: Final = 60
_COLUMNS: Final = ("found", "imported", "already there", "skipped")


class Problem(NamedTuple):
    """Something that was not taken over as it is."""

    kind: str
    path: str
    """Where it was found: a file below the source, `file:line`, or a table and key."""
    reason: str
    skipped: bool
    """Whether it is absent from the target. If not, it was mended, and the reason says how."""


class Renumbered(NamedTuple):
    """An experiment that has another id in the target than in the source."""

    name: str
    old: str
    new: str


class Mismatch(NamedTuple):
    """Something that was read back from the target and is not what was read from the source."""

    what: str
    expected: str
    found: str


class Checksums(NamedTuple):
    """Numbers that stand for all rows of a table, in whatever order they are."""

    table: str
    source: str
    """Of the rows as they were read and converted."""
    target: str
    """Of the rows as they were read back."""

    @property
    def is_empty(self) -> bool:
        """Whether neither side has rows."""
        return self.source == self.target and self.source.startswith("0:")


class Report:
    """Counts what a transfer does; not thread-safe.

    A kind is a plural noun, as `runs` or `tags of runs`; kinds are shown in the order in which they
    are first named. Everything found ends up imported, already there or skipped.
    """

    def __init__(self, source: str, target: str, *, dry_run: bool = False) -> None:
        """`source` and `target` are shown, so they hold no password."""
        self.source = source
        self.target = target
        self.dry_run = dry_run
        self.refused = False
        """Whether nothing was imported, because the target cannot hold all of it."""
        self.problems: list[Problem] = []
        self.renumbered: list[Renumbered] = []
        self.mismatches: list[Mismatch] = []
        self.checksums: list[Checksums] = []
        self.notes: list[str] = []
        """Sentences for the end: what remains to be done, or where things are."""
        self._counts: dict[str, list[int]] = {}
        self._always: set[str] = set()
        """Kinds that are shown even if nothing of them is found."""
        self._unlisted = 0
        self._skipped = 0

    def kinds(self, *kinds: str) -> None:
        """Show these kinds, in this order, even if nothing of them is found."""
        for kind in kinds:
            self._of(kind)
        self._always.update(kinds)

    def found(self, kind: str, number: int = 1) -> None:
        """Count what the source has."""
        self._of(kind)[0] += number

    def imported(self, kind: str, number: int = 1) -> None:
        """Count what the target has got by this transfer."""
        self._of(kind)[1] += number

    def already_there(self, kind: str, number: int = 1) -> None:
        """Count what the target had before."""
        self._of(kind)[2] += number

    def skip(self, kind: str, path: str, reason: str, number: int = 1) -> None:
        """Count and list something that was found and is not taken over; or so many, as one."""
        self._of(kind)[3] += number
        self._skipped += number
        self._list(Problem(kind, _printable(path), _printable(reason), skipped=True))

    def mend(self, kind: str, path: str, reason: str) -> None:
        """List something that is taken over differently from how it was found."""
        self._of(kind)
        self._list(Problem(kind, _printable(path), _printable(reason), skipped=False))

    def checksum(self, table: str, source: str, target: str) -> None:
        """Show both numbers of a table."""
        self.checksums.append(Checksums(table, source, target))

    def count(self, kind: str) -> dict[str, int]:
        """The four numbers of a kind, by column."""
        numbers = self._counts.get(kind, [0] * len(_COLUMNS))
        return dict(zip(_COLUMNS, numbers, strict=True))

    @property
    def skipped(self) -> int:
        """How many things were skipped."""
        return self._skipped

    def exit_status(self, *, strict: bool = False) -> int:
        """0; 1 if the target is not what it should be, or with `strict` if anything was skipped."""
        return 1 if self.refused or self.mismatches or (strict and self._skipped) else 0

    def text(self) -> str:
        """The report for people: a table, then lists of what was not taken over as it is."""
        return "\n".join(self._lines())

    def document(self) -> dict[str, Any]:
        """The report for programs: what JSON can hold."""
        return {
            "source": self.source,
            "target": self.target,
            "dry_run": self.dry_run,
            "refused": self.refused,
            "counts": {
                kind: {
                    name.replace(" ", "_"): number
                    for name, number in zip(_COLUMNS, numbers, strict=True)
                }
                for kind, numbers in self._counts.items()
            },
            "problems": [problem._asdict() for problem in self.problems],
            "problems_not_listed": self._unlisted,
            "renumbered": [each._asdict() for each in self.renumbered],
            "checksums": [each._asdict() for each in self.checksums],
            "mismatches": [each._asdict() for each in self.mismatches],
            "notes": self.notes,
        }

    def write(self, path: str) -> None:
        """Write the document to a file as JSON. Raises OSError."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.document(), file, indent=2)
            file.write("\n")

    def _of(self, kind: str) -> list[int]:
        return self._counts.setdefault(kind, [0] * len(_COLUMNS))

    def _list(self, problem: Problem) -> None:
        if len(self.problems) < MOST_LISTED:
            self.problems.append(problem)
        else:
            self._unlisted += 1

    def _lines(self) -> Iterator[str]:
        verb = "Would import" if self.dry_run else "Imported"
        yield f"{'Refused to import' if self.refused else verb} {self.source} into {self.target}."
        # Who refuses has only looked for what cannot be stored, and has not counted the rest.
        if not self.refused:
            yield ""
            yield from _table(("", *_COLUMNS), [*self._rows()])
        for title, skipped in (("Skipped:", True), ("Taken over with changes:", False)):
            chosen = [each for each in self.problems if each.skipped == skipped]
            if chosen:
                yield ""
                yield title
                yield from (f"  {each.path}: {each.reason}" for each in chosen[:_MOST_SHOWN])
            if len(chosen) > _MOST_SHOWN:
                yield f"  … and {len(chosen) - _MOST_SHOWN:,} more, which --report FILE lists"
        if self._unlisted:
            yield f"  … and {self._unlisted:,} more problems, which are not listed"
        if self.renumbered:
            yield ""
            yield "Experiments with new ids:"
            rows = [(_short(each.name), each.old, each.new) for each in self.renumbered]
            yield from _table(("", "old id", "new id"), rows)
        if filled := [each for each in self.checksums if not each.is_empty]:
            yield ""
            yield "Checksums (rows and sum of hashes):"
            yield from _table(("", "source", "target"), filled)
        if self.mismatches:
            yield ""
            yield "Read back, and not as expected:"
            yield from (
                f"  {each.what}: expected {each.expected}, found {each.found}"
                for each in self.mismatches
            )
        if self.notes:
            yield ""
            yield from self.notes

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """The counts as text. Most tables of a database hold nothing: these stay out."""
        for kind, numbers in self._counts.items():
            if any(numbers) or kind in self._always:
                yield kind, *(f"{number:,}" for number in numbers)


def _short(name: str) -> str:
    """A name that fits into a line of a table."""
    shown = _printable(name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def _printable(text: str) -> str:
    """The text with escapes for what a terminal would obey, and for names that are not UTF-8."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _table(head: tuple[str, ...], rows: list[Any]) -> Iterator[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [
            f"{row[i]:<{width}}" if i == 0 else f"{row[i]:>{width}}"
            for i, width in enumerate(widths)
        ]
        yield f"  {'  '.join(cells)}".rstrip()
