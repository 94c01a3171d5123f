"""The metadata service over a host of artifacts whose answers a test chooses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.metadata.artifacts_host import FEW, ArtifactsHost, Metadata, answer, metadata, serve


@pytest.fixture(scope="module")
def host() -> Iterator[ArtifactsHost]:
    with serve() as running:
        yield running


@pytest.fixture
def service(
    host: ArtifactsHost, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Metadata]:
    host.seen.clear()
    host.answer = answer(b"hello")
    monkeypatch.setenv("TANDEM_MAX_TRANSFERS", str(FEW))
    location = f"{host.root}e"
    with metadata(tmp_path, sqlite_template, monkeypatch, host.root, location) as running:
        yield running
