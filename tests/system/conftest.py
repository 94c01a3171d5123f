"""Services for the system tests, each kind started once a session."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.harness.processes import Process
from tests.postgresql import PostgreSQL
from tests.seaweedfs import S3Server
from tests.system import beside_mlflow, client_environments, services, stock_clients
from tests.system.beside_mlflow import Beside
from tests.system.services import Stack

STORES = ("sqlite-disk", "postgresql-s3")
_OF_OLD_CLIENTS = ("test_old_clients.py", "test_traces.py")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin early with the environments of old clients, if a test needs them."""
    wanted = any(item.path.name in _OF_OLD_CLIENTS for item in session.items)
    if wanted and not session.config.option.collectonly:
        client_environments.begin()


@contextmanager
def _started(
    start: Callable[..., AbstractContextManager[Stack]],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Both services, by a function of `services`, on what the fixture's parameter names."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite-disk":
        database = f"sqlite:///{directory / 'mlflow.db'}"
        with start(directory, database, str(directory / "artifacts")) as running:
            yield running
        return
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    s3: S3Server = request.getfixturevalue("s3_server")
    bucket = f"tandem-{uuid.uuid4().hex}"
    s3.create_bucket(bucket)
    name = postgresql.create()
    destination = f"s3://{bucket}/root"
    with start(directory, postgresql.uri(name), destination, variables=s3.environ) as running:
        yield running
    postgresql.drop(name)


@pytest.fixture(scope="session", params=STORES)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Both services: on SQLite and disk, then on PostgreSQL and S3."""
    with _started(services.stack, request, tmp_path_factory) as running:
        yield running


@pytest.fixture(scope="session", params=STORES)
def guarded_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The same with accounts, in which nobody may do what is not granted."""
    with _started(services.guarded_stack, request, tmp_path_factory) as running:
        yield running


@pytest.fixture
def client(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """The stock client; the fluent API is pointed at the services too."""
    with stock_clients.pointed_at(stack.metadata.url, monkeypatch) as client:
        yield client


@pytest.fixture
def experiment(client: MlflowClient) -> str:
    """The id of an experiment for one test alone."""
    return client.create_experiment(f"test-{uuid.uuid4().hex}")


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """MLflow's own server, fresh."""
    with services.mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(
    scope="session", params=beside_mlflow.DATABASES, ids=lambda each: f"beside-mlflow-{each}"
)
def beside(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside]:
    """MLflow's own server and both services, over one database; experiment 0 is anybody's."""
    with beside_mlflow.started(request, tmp_path_factory) as running:
        yield running


@pytest.fixture
def sqlite_stack(tmp_path: Path) -> Iterator[Stack]:
    """Both services on SQLite and disk, for one test alone."""
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with services.stack(tmp_path, database, str(tmp_path / "artifacts")) as running:
        yield running
