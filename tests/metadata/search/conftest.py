"""A filled database for each database system, made once: searches change nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.conftest import DATABASES
from tests.metadata.search import data, logged_model_data, registry_data, trace_data
from tests.metadata.traces import generations
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="session", params=DATABASES)
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """The database that holds `data`, `logged_model_data` and `registry_data`."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("search") / "mlflow.db"
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, path)
        uri = f"sqlite:///{path}"
    else:
        server: PostgreSQL = request.getfixturevalue("postgresql")
        name = server.create(template=request.getfixturevalue("postgresql_template"))
        uri = server.uri(name)
    database = Database(Settings(backend_store_uri=uri, pool_size=2))
    with database.write() as conn:
        data.fill(conn)
        logged_model_data.fill(conn)
        registry_data.fill(conn)
    yield database
    database.close()


@pytest.fixture(scope="session", params=generations.NAMES)
def traced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """The database that holds `trace_data`, of each generation of the schema."""
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        database = Database(Settings(backend_store_uri=uri, pool_size=2))
        with database.write() as conn:
            trace_data.fill(conn)
        yield database
        database.close()
