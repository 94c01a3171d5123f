from collections.abc import Iterator

import pytest

from tests import seaweedfs


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweedfs.S3Server]:
    """A real S3 server, started once and only when a test asks for it."""
    with seaweedfs.run(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def s3_bucket(s3_server: seaweedfs.S3Server) -> str:
    """A bucket that tests share; each keeps to a prefix of its own."""
    s3_server.create_bucket("tandem-tests")
    return "tandem-tests"
