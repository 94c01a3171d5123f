"""Databases of each generation of the schema, and `gc` for them."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.cli.commands import command_of
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import generations
from tests.postgresql import PostgreSQL

Gc = Callable[..., tuple[int, dict[str, Any]]]
"""Runs `gc --json` with further flags; returns its status and what it reports."""


@pytest.fixture(scope="session", params=generations.NAMES)
def generation_template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a database of each generation, to be copied."""
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        database = Database(Settings(backend_store_uri=uri))
        database.prepare(ARTIFACT_ROOT)
        database.close()
        yield uri


@pytest.fixture
def generation(
    request: pytest.FixtureRequest, generation_template: str, tmp_path: Path
) -> Iterator[Database]:
    """A database of each generation, with experiment 0 and nothing else."""
    with contextlib.ExitStack() as closing:
        if generation_template.startswith("sqlite"):
            path = tmp_path / "mlflow.db"
            shutil.copy(generation_template.removeprefix("sqlite:///"), path)
            uri = f"sqlite:///{path}"
        else:
            server: PostgreSQL = request.getfixturevalue("postgresql")
            name = server.create(generation_template.rpartition("/")[2])
            closing.callback(server.drop, name)
            uri = server.uri(name)
        database = Database(Settings(backend_store_uri=uri))
        closing.callback(database.close)
        yield database


def gc_of(uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Gc:
    make = command_of(monkeypatch, capsys)

    def run(*flags: str) -> tuple[int, dict[str, Any]]:
        settings = Settings(backend_store_uri=uri)
        status, out, err = make("gc", settings, "--json")(*flags)
        assert out, err
        return status, json.loads(out)

    return run


@pytest.fixture
def gc(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Gc:
    """`gc` for the test's database."""
    return gc_of(settings.backend_store_uri, monkeypatch, capsys)
