"""Databases that MLflow's own migrations made, at every revision, are used as they are."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from tandem_metadata.database.address import parse_url
from tandem_metadata.database.known_revisions import FIRST, HEAD, KNOWN
from tests.metadata.database import catalog, mlflow_tables, usage
from tests.metadata.database.test_schema import OWN
from tests.postgresql import PostgreSQL

WITH_WORKSPACES = "1b5f0d9ad7c1"
ON_POSTGRESQL = (FIRST, WITH_WORKSPACES, HEAD)
INSTALLED = KNOWN[: KNOWN.index(HEAD) + 1]
"""Revisions that the MLflow of this environment has."""


@pytest.fixture(scope="module")
def sqlite_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A database's file for each revision."""
    directory = tmp_path_factory.mktemp("revisions")
    growing = directory / "growing.db"
    mlflow_tables.load(f"sqlite:///{growing}")
    files = {}
    for revision in INSTALLED:
        mlflow_tables.upgrade(f"sqlite:///{growing}", revision)
        files[revision] = Path(shutil.copy(growing, directory / f"{revision}.db"))
    return files


@pytest.fixture(scope="module")
def postgresql_addresses(postgresql: PostgreSQL) -> Iterator[dict[str, str]]:
    """A database's address for some revisions."""
    growing = postgresql.create()
    mlflow_tables.load(postgresql.uri(growing))
    names = {}
    for revision in ON_POSTGRESQL:
        mlflow_tables.upgrade(postgresql.uri(growing), revision)
        names[revision] = postgresql.create(template=growing)
    yield {revision: postgresql.uri(name) for revision, name in names.items()}
    for name in (growing, *names.values()):
        postgresql.drop(name)


@pytest.mark.parametrize("revision", INSTALLED)
def test_a_database_of_mlflow_on_sqlite_is_used_as_it_is(
    sqlite_files: dict[str, Path], revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check(f"sqlite:///{sqlite_files[revision]}", revision, monkeypatch)


@pytest.mark.parametrize("revision", ON_POSTGRESQL)
def test_a_database_of_mlflow_on_postgresql_is_used_as_it_is(
    postgresql_addresses: dict[str, str], revision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _check(postgresql_addresses[revision], revision, monkeypatch)


def _check(address: str, revision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write and read through the service, and compare the tables before and after."""
    before = _describe(address)
    usage.use(address, monkeypatch)
    after = _describe(address)
    assert catalog.without(after["catalog"], OWN) == (before["catalog"], OWN)
    assert after["revision"] == before["revision"] == [revision]
    has_workspaces = KNOWN.index(revision) >= KNOWN.index(WITH_WORKSPACES)
    assert after["workspaces"] == (["default"] if has_workspaces else [])


def _describe(address: str) -> dict[str, Any]:
    """The tables, the revision, and the workspaces that experiments are in."""
    engine = create_engine(parse_url(address))
    with engine.connect() as conn:
        experiments = conn.exec_driver_sql("SELECT * FROM experiments").mappings()
        described = {
            "workspaces": sorted({row["workspace"] for row in experiments if "workspace" in row}),
            "revision": [row[0] for row in conn.exec_driver_sql("SELECT * FROM alembic_version")],
            "catalog": catalog.describe(conn),
        }
    engine.dispose()
    return described
