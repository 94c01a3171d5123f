"""A database that has accounts, for commands."""

import pytest

from tandem_metadata.access import opening
from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tandem_shared.settings import replace
from tests.metadata.cli.commands import MakeCommand, command_of
from tests.metadata.guarded import PASSWORD


@pytest.fixture
def accounts(settings: Settings) -> Settings:
    """Settings of a database that has accounts, and an administrator."""
    wanted = replace(settings, auth="basic", auth_admin_password=PASSWORD)
    database = Database(wanted)
    opening.prepare(database, wanted)
    database.close()
    return wanted


@pytest.fixture
def command_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> MakeCommand:
    """Makes a command, by its name, for the database of settings."""
    return command_of(monkeypatch, capsys)
