"""A database with experiments, and the command that exports them."""

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.cli.commands import Command, command_of
from tests.metadata.tracking_api import Tracking
from tests.metadata.transfer.export.content import Content, fill


@pytest.fixture
def api(settings: Settings, database: Database) -> Tracking:
    return Tracking(settings, database)


@pytest.fixture
def content(api: Tracking) -> Content:
    return fill(api)


@pytest.fixture
def export(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return command_of(monkeypatch, capsys)("export", settings)
