"""What the tests of faults share.

`tests.system.services` starts the services, for each attack anew: none suffers from another's.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import PostgreSQL


@pytest.fixture(params=["hypercorn", "uvicorn"])
def asgi_server(request: pytest.FixtureRequest) -> str:
    """The value of `--asgi-server`: each of them in turn."""
    name: str = request.param
    return name


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
