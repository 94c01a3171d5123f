"""The command line inside the test, as an operator types it."""

import sys

import pytest

from tandem_metadata import __main__


class Command:
    """A command of `tandem-metadata`, with flags that are the same each time."""

    def __init__(
        self,
        name: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        *flags: str,
    ) -> None:
        self._name, self._flags = name, flags
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what went to standard output and error."""
        line = ["tandem-metadata", self._name, *arguments, *self._flags]
        self._monkeypatch.setattr(sys, "argv", line)
        try:
            status = __main__.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        shown = self._capsys.readouterr()
        return status, shown.out, shown.err
