"""What the whole suite shares."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import azurite, google_storage, seaweedfs
from tests.harness.fluent_client import forget_experiment
from tests.harness.scheduling import GroupScheduling, longest_first
from tests.postgresql import PostgreSQL, serve

# MLflow, as client and as server, would report home what the tests do; it asks when imported.
os.environ["DO_NOT_TRACK"] = "true"


# pytest-xdist knows this hook: without it, or with `-p no:xdist`, nobody calls it.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    """With `--dist loadscope`, give tests that share services to one process."""
    return GroupScheduling(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items[:] = longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without the garbage collector, which would search all tests again and again.

    They stay until the end: later collections leave out what is there now.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Each test begins without the experiment that an earlier one has set."""
    forget_experiment()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, started when the first test asks for it."""
    with serve() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, on SQLite and then on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'mlflow.db'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = server.create()
    yield server.uri(name)
    server.drop(name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweedfs.S3Server]:
    """A real S3 server, started once and only when a test asks for it."""
    with seaweedfs.run(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[azurite.Azurite]:
    """Azure's blob storage, started once and only when a test asks for it."""
    with azurite.run(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def google(s3_server: seaweedfs.S3Server) -> Iterator[google_storage.GoogleStorage]:
    """Google's Cloud Storage, with one bucket, started likewise."""
    s3_server.create_bucket(google_storage.BUCKET)
    with google_storage.serve(s3_server) as storage:
        yield storage
