"""Hundreds of clients that send their requests a byte at a time: others are served as before."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.faults import connections, memory
from tests.faults.scale import scaled
from tests.harness.processes import Process
from tests.system import services
from tests.system.services import Stack

MIB = 1024 * 1024
HEADS = {
    "metadata": b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "artifacts": b"PUT /api/2.0/mlflow-artifacts/artifacts/slow HTTP/1.1\r\nHost: localhost\r\nX: ",
}
BODIES = {
    "metadata": b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n",
    "artifacts": b"PUT /api/2.0/mlflow-artifacts/artifacts/slow HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 5000\r\n\r\n",
}


@pytest.fixture(scope="module", params=["hypercorn", "uvicorn"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("slow")
    database = f"sqlite:///{directory / 'mlflow.db'}"
    options = ("--asgi-server", request.param)
    with services.stack(directory, database, str(directory / "files"), *options) as running:
        yield running


@contextlib.contextmanager
def _slow(service: Process, begin: bytes, count: int) -> Iterator[list[socket.socket]]:
    """So many connections that have sent the beginning of a request."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 500)), hard))
    opened = []
    try:
        for _ in range(count):
            connection = connections.connect(service)
            opened.append(connection)
            connection.sendall(begin)
        yield opened
    finally:
        for connection in opened:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("begun", [HEADS, BODIES], ids=["heads", "bodies"])
@pytest.mark.parametrize("which", ["metadata", "artifacts"])
def test_slow_connections_by_the_hundred_hold_up_nobody(
    stack: Stack, which: str, begun: dict[str, bytes]
) -> None:
    service = stack.metadata if which == "metadata" else stack.artifacts
    assert requests.get(service.url + "/ready", timeout=10).status_code == 200
    before = memory.resident(service)
    count = scaled(300, 1000)
    with _slow(service, begun[which], count) as slow:
        for _ in range(scaled(3, 30)):
            for connection in slow:
                with contextlib.suppress(ConnectionError):  # it was closed, as it should be
                    connection.send(b"x")
            began = time.monotonic()
            assert requests.get(service.url + "/ready", timeout=10).status_code == 200
            assert time.monotonic() - began < 5
        assert memory.resident(service) - before < count * 200_000 + 10 * MIB
    assert requests.get(service.url + "/ready", timeout=10).status_code == 200
