"""Databases for the metadata service's tests: every test gets its own, on SQLite and PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata import in_process
from tests.metadata.reused_databases import ReusedDatabases
from tests.postgresql import PostgreSQL

DATABASES = ("sqlite", "postgresql")
ARTIFACT_ROOT = "mlflow-artifacts://artifacts.example.com/"

only_sqlite = pytest.mark.parametrize("prepared_uri", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("prepared_uri", ["postgresql"], indirect=True)


def terminate_others(database: Database) -> None:
    """Have PostgreSQL close all connections to this database but the one that asks for it."""
    with database.read() as conn:
        conn.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _prepare(uri: str) -> None:
    database = Database(Settings(backend_store_uri=uri))
    database.prepare(ARTIFACT_ROOT)
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared database's file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    _prepare(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgreSQL) -> str:
    """A prepared database's name, to be copied."""
    name = postgresql.create()
    _prepare(postgresql.uri(name))
    return name


@pytest.fixture(scope="session")
def postgresql_databases(postgresql: PostgreSQL, postgresql_template: str) -> ReusedDatabases:
    """Copies of the prepared database, for one test at a time."""
    return ReusedDatabases(postgresql, postgresql_template)


@pytest.fixture(params=DATABASES)
def backend_store_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mlflow.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = server.create()
    yield server.uri(name)
    server.drop(name)


@pytest.fixture(params=DATABASES)
def prepared_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with tables and experiment 0."""
    if request.param == "sqlite":
        path = tmp_path / "prepared.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    databases: ReusedDatabases = request.getfixturevalue("postgresql_databases")
    name = databases.take()
    yield server.uri(name)
    databases.give_back(name)


@pytest.fixture(autouse=True)
def clients() -> Iterator[None]:
    """Leaves the test's clients of the service; no thread of theirs is left then."""
    with in_process.leaving():
        yield


@pytest.fixture
def settings(prepared_uri: str) -> Settings:
    """Settings for a prepared database, with few connections and short waits."""
    return Settings(
        backend_store_uri=prepared_uri,
        default_artifact_root=ARTIFACT_ROOT,
        pool_size=4,
        pool_timeout=10.0,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """A prepared database: tables, experiment 0 and nothing else."""
    opened = Database(settings)
    yield opened
    opened.close()
