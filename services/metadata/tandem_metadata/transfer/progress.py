"""A bar that shows how far a transfer is, on a terminal."""

import sys
import time
from types import TracebackType
from typing import Final, Self, TextIO

_WIDTH: Final = 30
EVERY: Final = 0.1
"""Seconds between two pictures of the bar."""


class Progress:
    """Shows a bar on standard error if that is a terminal; else shows nothing.

    A context manager: the bar is gone in the end.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shows = self._stream.isatty()
        self._total = 0
        self._done = 0
        self._what = ""
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shows and self._shown_at:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def start(self, total: int, what: str) -> None:
        """Begin anew: `total` of something are to be done."""
        self._total, self._done, self._what = total, 0, what
        self._show()

    def advance(self, number: int = 1) -> None:
        """So many more are done."""
        self._done += number
        if self._shows and time.monotonic() - self._shown_at >= EVERY:
            self._show()

    def _show(self) -> None:
        if not self._shows:
            return
        self._shown_at = time.monotonic()
        part = min(self._done / self._total, 1.0) if self._total else 1.0
        bar = "#" * round(part * _WIDTH)
        line = f"[{bar:<{_WIDTH}}] {self._done:,} of {self._total:,} {self._what}"
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()
