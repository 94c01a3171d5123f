"""Databases of each generation of MLflow's schema that differs for traces."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tandem_metadata.database.known_revisions import FIRST, HEAD
from tests.metadata.database import mlflow_tables
from tests.postgresql import PostgreSQL

REVISIONS: Final = {"A": FIRST, "B": "b7e2c1a4d9f3", "C": HEAD}
NAMES: Final = tuple(f"{each}-{kind}" for each in REVISIONS for kind in ("sqlite", "postgresql"))


@contextlib.contextmanager
def uri(
    name: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of an empty database of the generation, without experiments."""
    generation, kind = name.split("-")
    if kind == "sqlite":
        path: Path = factory.mktemp("generation") / "mlflow.db"
        address = f"sqlite:///{path}"
        _make(address, generation)
        yield address
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    made = server.create()
    _make(server.uri(made), generation)
    yield server.uri(made)
    server.drop(made)


def _make(address: str, generation: str) -> None:
    mlflow_tables.load(address)
    if generation != "A":
        mlflow_tables.upgrade(address, REVISIONS[generation])
