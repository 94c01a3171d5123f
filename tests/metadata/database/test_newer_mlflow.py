"""Databases that the newest MLflow's migrations made of Tandem's are used as they are."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tandem_metadata.database import indexes
from tandem_metadata.database.address import parse_url
from tandem_metadata.database.database import Database
from tandem_metadata.database.fitness import misfits
from tandem_metadata.database.known_revisions import FIRST, HEAD, KNOWN, OLDER
from tandem_metadata.database.mlflow_migrations import read_revisions
from tandem_metadata.settings import Settings
from tests import newer_mlflow
from tests.metadata.conftest import DATABASES
from tests.metadata.database import usage
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="module")
def upgraded(
    sqlite_template: Path,
    postgresql: PostgreSQL,
    postgresql_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """Addresses of databases that Tandem made and `tandem-metadata db upgrade` brought further."""
    path = tmp_path_factory.mktemp("newer") / "mlflow.db"
    shutil.copy(sqlite_template, path)
    name = postgresql.create(template=postgresql_template)
    addresses = {"sqlite": f"sqlite:///{path}", "postgresql": postgresql.uri(name)}
    for address in addresses.values():
        said = _upgrade(address)
        assert f"from revision {HEAD} to {KNOWN[-1]}" in said
        assert f"MLflow {newer_mlflow.VERSION}" in said
        assert "backup" in said
    yield addresses
    postgresql.drop(name)


def _upgrade(address: str) -> str:
    command = [sys.executable, "-m", "tandem_metadata", "db", "upgrade", "--revision", "head"]
    done = subprocess.run(
        [*command, "--backend-store-uri", address],
        env=newer_mlflow.variables(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_known_revisions_are_those_of_the_newest_mlflow_in_its_order() -> None:
    found = read_revisions(newer_mlflow.folder() / "mlflow/store/db_migrations/versions")
    start = found.index(FIRST)
    assert found[start:] == KNOWN
    assert set(found[:start]) == OLDER


@pytest.mark.parametrize("kind", DATABASES)
def test_a_new_database_is_used_after_the_newest_migrations(
    upgraded: dict[str, str],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = upgraded[kind]
    database = Database(Settings(backend_store_uri=address))
    assert database.revision() == KNOWN[-1]
    usage.use(address, monkeypatch)
    with database.read() as conn:
        assert misfits(conn) == []
        new = [index for index in indexes.of(conn) if index in indexes.NEW]
        assert len(new) == (2 if kind == "sqlite" else 1)
        assert all(indexes.is_there(conn, index) for index in new)
    database.close()
    assert [each for each in caplog.records if each.name == "tandem.db"] == []


@pytest.mark.parametrize("kind", DATABASES)
def test_its_tables_fit_also_if_nobody_knew_them(upgraded: dict[str, str], kind: str) -> None:
    engine = create_engine(parse_url(upgraded[kind]))
    with engine.connect() as conn:
        assert misfits(conn) == []
    engine.dispose()


def test_a_second_upgrade_finds_nothing_to_do(upgraded: dict[str, str]) -> None:
    said = _upgrade(upgraded["sqlite"])
    assert f"at revision {KNOWN[-1]}, the newest of MLflow {newer_mlflow.VERSION}" in said
