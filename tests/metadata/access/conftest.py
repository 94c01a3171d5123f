"""The service with accounts, on SQLite and PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_metadata.settings import Settings
from tests.metadata import guarded
from tests.metadata.accounts_api import Accounts
from tests.metadata.conftest import ARTIFACT_ROOT, DATABASES
from tests.metadata.guarded import Guarded
from tests.metadata.reused_databases import ReusedDatabases
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def accounts_sqlite_template(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A prepared database's file, with an administrator; to be copied."""
    path = tmp_path_factory.mktemp("accounts") / "mlflow.db"
    shutil.copy(sqlite_template, path)
    guarded.make_accounts(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def accounts_postgresql_databases(
    postgresql: PostgreSQL, postgresql_template: str
) -> ReusedDatabases:
    """Copies of a prepared database with an administrator, for one test at a time."""
    name = postgresql.create(postgresql_template)
    guarded.make_accounts(postgresql.uri(name))
    return ReusedDatabases(postgresql, name, ("experiments", "alembic_version_auth", "users"))


@pytest.fixture(params=DATABASES)
def accounts_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with an administrator."""
    if request.param == "sqlite":
        path = tmp_path / "accounts.db"
        shutil.copy(request.getfixturevalue("accounts_sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    databases: ReusedDatabases = request.getfixturevalue("accounts_postgresql_databases")
    name = databases.take()
    yield server.uri(name)
    databases.give_back(name)


only_sqlite = pytest.mark.parametrize("accounts_uri", ["sqlite"], indirect=True)
"""For decisions that no statement makes."""


@pytest.fixture
def guarded_settings(accounts_uri: str) -> Settings:
    """Settings under which nobody may do what is not granted."""
    return Settings(
        backend_store_uri=accounts_uri,
        default_artifact_root=ARTIFACT_ROOT,
        pool_size=4,
        pool_timeout=10.0,
        auth="basic",
        auth_default_permission="NO_PERMISSIONS",
    )


@pytest.fixture
def service(guarded_settings: Settings) -> Iterator[Guarded]:
    with guarded.running(guarded_settings) as running:
        yield running


@pytest.fixture
def accounts(settings: Settings) -> Accounts:
    """The service over an empty database, whose users sign in by password."""
    return Accounts(settings)
