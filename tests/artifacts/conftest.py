import pytest

from tests.seaweedfs import S3Server


@pytest.fixture(scope="session")
def s3_bucket(s3_server: S3Server) -> str:
    """A bucket that tests share; each keeps to a prefix of its own."""
    s3_server.create_bucket("tandem-tests")
    return "tandem-tests"
