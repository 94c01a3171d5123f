"""The bar that shows how far a transfer is."""

import io

import pytest

from tandem_metadata.transfer import progress
from tandem_metadata.transfer.progress import Progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_is_shown_on_a_terminal_and_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    terminal = _Terminal()
    with Progress(terminal) as bar:
        bar.start(4, "runs")
        bar.advance(2)
    shown = terminal.getvalue()
    assert f"[{'#' * 15}{' ' * 15}] 2 of 4 runs" in shown
    assert shown.endswith("\r\x1b[K")


def test_nothing_is_shown_elsewhere() -> None:
    stream = io.StringIO()
    with Progress(stream) as bar:
        bar.start(1, "runs")
        bar.advance()
    assert stream.getvalue() == ""


def test_bar_of_nothing_is_full() -> None:
    terminal = _Terminal()
    with Progress(terminal) as bar:
        bar.start(0, "runs")
    assert "0 of 0 runs" in terminal.getvalue()
