"""What the reader of a file store tells, on its way to the report."""

from typing import Final

from tandem_metadata.transfer.file_store import models, runs, traces
from tandem_metadata.transfer.report import Report

_COUNTED: Final = frozenset({runs.RUNS, models.MODELS, traces.TRACES})
"""Kinds of which the import counts each folder as found before it is read."""


class Reading:
    """The `Problems` of the reader: what it skips was found."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def skip(self, kind: str, path: str, reason: str, number: int = 1) -> None:
        """Tell of something that is not taken over; or of so many, as one."""
        if kind not in _COUNTED:
            self._report.found(kind, number)
        self._report.skip(kind, path, reason, number)

    def mend(self, kind: str, path: str, reason: str) -> None:
        """Tell of something that is taken over with changes."""
        self._report.mend(kind, path, reason)
