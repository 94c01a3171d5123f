"""Bodies that look like heads of answers: they are not held back, however slowly they are read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.faults import connections, memory
from tests.faults.scale import LONG, scaled
from tests.harness.processes import Process, eventually
from tests.system.services import Stack, stack

_BLOCK = b"HTTP/1.1 200 OK\r\n".ljust(64 * 1024, b"x")
"""Services read and send in multiples of its length: each piece begins so."""

_MIB = 1024 * 1024
_SIZE = scaled(48, 200) * _MIB
_MOST_GROWTH = 20 * _MIB
_STALLED_SECONDS = 60


@pytest.fixture
def both(tmp_path: Path, asgi_server: str) -> Iterator[Stack]:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    variables = {"TANDEM_ASGI_SERVER": asgi_server}
    with stack(tmp_path, database, str(tmp_path / "kept"), variables=variables) as running:
        yield running


def test_a_file_of_heads_that_nobody_reads_is_not_held_in_memory(both: Stack) -> None:
    run = requests.post(
        f"{both.metadata.url}/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}, timeout=20
    ).json()["run"]["info"]
    below = run["artifact_uri"].split("/", 3)[3]
    _store(Path(both.destination) / below / "crafted")
    target = f"/api/2.0/mlflow-artifacts/artifacts/{below}/crafted"
    with _unread(both.artifacts, target) as (_, grown):
        assert grown < _MOST_GROWTH

    relayed = f"/get-artifact?run_id={run['run_id']}&path=crafted"
    with _unread(both.metadata, relayed) as (began, grown):
        assert grown < _MOST_GROWTH
        if LONG:  # the relay gives up a client that takes nothing in
            eventually(lambda: _takes_nothing_in(both.metadata), _STALLED_SECONDS + 20)
            assert time.monotonic() - began > _STALLED_SECONDS - 1


def _store(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_BLOCK * (_SIZE // len(_BLOCK)))


@contextmanager
def _unread(process: Process, target: str) -> Iterator[tuple[float, int]]:
    """A download that nobody reads: when it began, and by how many bytes the service grew."""
    before = memory.resident(process)
    began = time.monotonic()
    with connections.request(process, target, receive_bytes=4096):
        grown, last = 0, -1
        while grown > last:
            last = grown
            time.sleep(0.5)
            grown = max(grown, memory.resident(process) - before)
        yield began, grown


def _takes_nothing_in(process: Process) -> bool:
    return "takes nothing in" in process.log.read_text()
