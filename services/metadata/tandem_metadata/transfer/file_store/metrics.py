"""Lines of metrics: of runs, and of logged models."""

import os
from collections.abc import Iterator, Sequence
from typing import Final

from tandem_metadata.transfer.file_store.files import (
    Entry,
    Problems,
    Unreadable,
    blocks,
    decoded,
    entries,
    read,
)
from tandem_metadata.transfer.file_store.records import ModelPoint, Point

METRICS: Final = "metrics"
OF_MODELS: Final = "metrics of logged models"

_FOLDER: Final = "metrics"
_MOST_TOLD: Final = 5
"""Bad lines of a file that are told one by one."""
_SHOWN: Final = 60
_INT64: Final = 2**63


class _Bad(Exception):
    """A line that is no point; says why."""


def files(run_path: str, problems: Problems) -> list[Entry]:
    """The files of a run's metrics, sorted by key."""
    return entries(os.path.join(run_path, _FOLDER), METRICS, problems)


def points(file: Entry, problems: Problems) -> Iterator[list[Point]]:
    """The points of one metric in their order, a part at a time, with those that are repeated.

    Bad lines are skipped, and told by file and line.
    """
    number = 0
    rest = b""
    bad = _BadLines(file.path, METRICS, problems)
    try:
        for block in blocks(file.path):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield _points(lines, number, bad)
            number += len(lines)
        if rest:  # the last line may lack its end
            yield _points([rest], number, bad)
        if not (number or rest):
            problems.skip(METRICS, file.path, "it is empty")
    except Unreadable as error:
        problems.skip(METRICS, file.path, str(error))
    bad.sum_up()


def of_model(model_path: str, problems: Problems) -> list[ModelPoint]:
    """All points of a logged model's metrics."""
    found: list[ModelPoint] = []
    for file in entries(os.path.join(model_path, _FOLDER), OF_MODELS, problems):
        bad = _BadLines(file.path, OF_MODELS, problems)
        try:
            lines = read(file.path).split(b"\n")
        except Unreadable as error:
            problems.skip(OF_MODELS, file.path, str(error))
            continue
        if not lines[-1]:
            lines.pop()
        if not lines:
            problems.skip(OF_MODELS, file.path, "it is empty")
        for number, line in enumerate(lines, 1):
            try:
                found.append(_model_point(file, number, line))
            except _Bad as error:
                bad.tell(number, line, str(error))
        bad.sum_up()
    return found


class _BadLines:
    """Tells of the bad lines of a file: the first few, then their number."""

    def __init__(self, path: str, kind: str, problems: Problems) -> None:
        self._path = path
        self._kind = kind
        self._problems = problems
        self._count = 0
        self._last = 0

    def tell(self, number: int, line: bytes, reason: str) -> None:
        self._count += 1
        self._last = number
        if self._count > _MOST_TOLD:
            return
        shown = line[:_SHOWN].decode(errors="replace")
        self._problems.skip(self._kind, f"{self._path}:{number}", f"{reason}: {shown!r}")

    def sum_up(self) -> None:
        if (more := self._count - _MOST_TOLD) > 0:
            reason = f"{more:,} more lines are no points, up to line {self._last}"
            self._problems.skip(self._kind, self._path, reason, more)


def _points(lines: Sequence[bytes], before: int, bad: _BadLines) -> list[Point]:
    found: list[Point] = []
    add = found.append
    for index, line in enumerate(lines):
        fields = line.split()
        try:
            match len(fields):
                case 3 | 5:
                    timestamp, value, step = int(fields[0]), float(fields[1]), int(fields[2])
                case 2:  # as the first versions wrote them
                    timestamp, value, step = int(fields[0]), float(fields[1]), 0
                case count:
                    bad.tell(before + index + 1, line, f"it has {count} fields, not 2, 3 or 5")
                    continue
        except ValueError:
            bad.tell(before + index + 1, line, "it is no time, value and step")
            continue
        if -_INT64 <= timestamp < _INT64 and -_INT64 <= step < _INT64:
            add((step, timestamp, value))
        else:
            bad.tell(before + index + 1, line, "its time or step has more than 64 bits")
    return found


def _model_point(file: Entry, number: int, line: bytes) -> ModelPoint:
    fields = line.split()
    if len(fields) not in (4, 6):
        raise _Bad(f"it has {len(fields)} fields, not 4 or 6")
    try:
        timestamp, value, step = int(fields[0]), float(fields[1]), int(fields[2])
    except ValueError:
        raise _Bad("it is no time, value and step") from None
    if not (-_INT64 <= timestamp < _INT64 and -_INT64 <= step < _INT64):
        raise _Bad("its time or step has more than 64 bits")
    run_id, *dataset = (decoded(each)[0] for each in fields[3:])
    name, digest = dataset or (None, None)
    where = f"{file.path}:{number}"
    return ModelPoint(file.key, timestamp, value, step, run_id, name, digest, where)
