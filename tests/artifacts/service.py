"""The artifacts service inside the test."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tandem_artifacts.app import application, driver_of
from tandem_artifacts.settings import Settings

API = "/api/2.0/mlflow-artifacts"
ARTIFACTS = f"{API}/artifacts"


@contextlib.contextmanager
def client(destination: Path | str, **settings: Any) -> Iterator[TestClient]:
    """A client of the application, which runs inside the test."""
    chosen = Settings(artifacts_destination=str(destination), **settings)
    app = application(chosen, driver_of(chosen))
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as opened:
        yield opened


def stored(root: Path) -> list[str]:
    """Every file below the root, unfinished uploads included."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
