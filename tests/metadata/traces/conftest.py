"""Databases with traces, of each generation of the schema, and the service's routes over them."""

from collections.abc import Iterator

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import content, generations
from tests.metadata.traces.writes_api import Writes


@pytest.fixture(scope="session", params=generations.NAMES)
def traced_uri(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database that holds `content`; tests must not change what it holds."""
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        database = Database(Settings(backend_store_uri=uri))
        database.prepare(ARTIFACT_ROOT)
        with database.write() as conn:
            content.fill(conn)
        database.close()
        yield uri


@pytest.fixture
def traced(traced_uri: str) -> Iterator[Database]:
    """The database that holds `content`."""
    database = Database(Settings(backend_store_uri=traced_uri))
    yield database
    database.close()


@pytest.fixture
def writes(settings: Settings, database: Database) -> Writes:
    """The routes that write traces, over a new database."""
    return Writes(settings, database)


@pytest.fixture(scope="module", params=generations.NAMES)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database of each generation, for traces whose ids nobody else has."""
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        database = Database(Settings(backend_store_uri=uri), point_lookups=1)
        database.prepare(ARTIFACT_ROOT)
        yield database
        database.close()
