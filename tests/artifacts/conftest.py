import pytest

from tests.azurite import Azurite
from tests.seaweedfs import S3Server


@pytest.fixture(scope="session")
def s3_bucket(s3_server: S3Server) -> str:
    """A bucket that tests share; each keeps to a prefix of its own."""
    s3_server.create_bucket("tandem-tests")
    return "tandem-tests"


@pytest.fixture(scope="session")
def azure_container(azure: Azurite) -> str:
    """A container that tests share likewise."""
    azure.create_container("tandem-tests")
    return "tandem-tests"
