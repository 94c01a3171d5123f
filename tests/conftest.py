"""What the whole suite shares."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import seaweedfs
from tests.postgresql import PostgreSQL, serve

# MLflow, as client and as server, would report home what the tests do; it asks when imported.
os.environ["DO_NOT_TRACK"] = "true"


_HOME = Path(__file__).parent


# First: pytest-xdist puts the groups into the tests' ids in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that share services to one process, which starts them once (`--dist loadgroup`).

    Those of a file stay together; so do those of a pair of services, and those of the browser.
    """
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        home = "browser" if "browser" in item.path.parts else str(item.path.relative_to(_HOME))
        item.add_marker(pytest.mark.xdist_group(parameters.get("stack", home)))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, started when the first test asks for it."""
    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweedfs.S3Server]:
    """A real S3 server, started once and only when a test asks for it."""
    with seaweedfs.run(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server
