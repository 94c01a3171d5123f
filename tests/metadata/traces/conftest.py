"""Databases with traces, of each generation of the schema, and the service's routes over them."""

from collections.abc import Iterator

import pytest

from tandem_metadata.database.database import Database
from tandem_metadata.settings import Settings
from tests.metadata.conftest import ARTIFACT_ROOT
from tests.metadata.traces import content, generations
from tests.metadata.traces.assessing import Assessing
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


@pytest.fixture(scope="session", params=generations.NAMES)
def written_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """For a database of each generation, whose traces and experiments belong to single tests."""
    with generations.uri(request.param, request, tmp_path_factory) as uri:
        settings = Settings(
            backend_store_uri=uri, default_artifact_root=ARTIFACT_ROOT, pool_timeout=10.0
        )
        database = Database(settings)
        database.prepare(ARTIFACT_ROOT)
        database.close()
        yield settings


@pytest.fixture
def written(written_settings: Settings) -> Iterator[Database]:
    """A database of each generation, for traces whose ids nobody else has."""
    database = Database(written_settings, point_lookups=1)
    yield database
    database.close()


@pytest.fixture
def assessing(written_settings: Settings, written: Database) -> Assessing:
    """The routes of assessments, and a trace of this test alone."""
    return Assessing(written_settings, written)
