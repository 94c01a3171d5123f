"""Databases of each generation of MLflow's schema that differs for traces."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tandem_metadata.database.known_revisions import FIRST, HEAD
from tests.metadata.database import mlflow_tables
from tests.postgresql import PostgreSQL

REVISIONS: Final = {"A": FIRST, "B": "b7e2c1a4d9f3", "C": HEAD}
NAMES: Final = tuple(f"{each}-{kind}" for each in REVISIONS for kind in ("sqlite", "postgresql"))

_templates: dict[str, str] = {}
"""Empty databases by the names of their generations. MLflow's migrations take seconds, a copy of
what they have made takes none."""


@contextlib.contextmanager
def uri(
    name: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of an empty database of the generation, without experiments."""
    generation, kind = name.split("-")
    if kind == "sqlite":
        if name not in _templates:
            _templates[name] = str(factory.mktemp("template") / "mlflow.db")
            _make(f"sqlite:///{_templates[name]}", generation)
        path: Path = factory.mktemp("generation") / "mlflow.db"
        shutil.copy(_templates[name], path)
        yield f"sqlite:///{path}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    if name not in _templates:
        _templates[name] = server.create()
        _make(server.uri(_templates[name]), generation)
    made = server.create(template=_templates[name])
    yield server.uri(made)
    server.drop(made)


def _make(address: str, generation: str) -> None:
    mlflow_tables.load(address)
    if generation != "A":
        mlflow_tables.upgrade(address, REVISIONS[generation])
