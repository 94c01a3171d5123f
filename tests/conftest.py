"""What the whole suite shares."""

from collections.abc import Iterator

import pytest

from tests.postgresql import PostgreSQL, serve


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server, started when the first test asks for it."""
    with serve() as server:
        yield server
