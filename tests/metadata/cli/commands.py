"""The command line inside the test, as an operator types it."""

import sys
from collections.abc import Callable
from typing import TypeVar

import pytest

from tandem_metadata import __main__
from tandem_metadata.database import Connection
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings

T = TypeVar("T")


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


MakeCommand = Callable[..., Command]
"""Takes the command's name, the settings whose database it uses, and further flags."""


def command_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> MakeCommand:
    def make(name: str, settings: Settings, *flags: str) -> Command:
        where = ("--backend-store-uri", settings.backend_store_uri)
        return Command(name, monkeypatch, capsys, *where, *flags)

    return make


def look_up(settings: Settings, find: Callable[[Connection, str], T], name: str) -> T:
    """What a function of the store finds by a name, as a process of its own would."""
    database = Database(settings)
    with database.read() as conn:
        found = find(conn, name)
    database.close()
    return found


def assert_error(answer: tuple[int, str, str], told: str) -> None:
    """A command has refused its arguments by one sentence that tells this."""
    status, out, err = answer
    assert (status, out) == (2, "")
    assert told in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
