"""Databases that are taken, and into which."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.metadata.transfer.databases import prepare
from tests.postgresql import PostgreSQL


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A prepared SQLite database."""
    return prepare(f"sqlite:///{tmp_path / 'source.db'}")


@pytest.fixture
def empty(postgresql: PostgreSQL) -> Iterator[str]:
    """The address of a PostgreSQL database without tables."""
    name = postgresql.create()
    yield postgresql.uri(name)
    postgresql.drop(name)
