"""Clients that stand still, or nearly, in the midst of uploads and downloads."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.faults.connections import answer, request
from tests.faults.memory import peak, resident
from tests.faults.scale import LONG, scaled
from tests.harness.processes import Process, eventually
from tests.system.services import artifacts_service

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
MIB = 1024 * 1024
PLACES = 30
IN_FLIGHT = "tandem_artifact_transfers_in_flight"


@pytest.fixture
def service(tmp_path: Path, asgi_server: str) -> Iterator[Process]:
    """With places for few, whom it gives up soon."""
    limits = {
        "--max-transfers": PLACES,
        "--transfer-memory": 64 * MIB,
        "--upload-idle-timeout": 1,
        "--download-idle-timeout": 1,
        "--min-transfer-rate": 500_000,
    }
    flags = [str(part) for pair in limits.items() for part in pair]
    store = str(tmp_path / "store")
    with artifacts_service(tmp_path, store, "--asgi-server", asgi_server, *flags) as running:
        (tmp_path / "store" / "big").open("wb").truncate(1024 * MIB)
        yield running


def in_flight(service: Process) -> float:
    lines = requests.get(f"{service.url}/metrics", timeout=20).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(IN_FLIGHT))


def statuses(service: Process) -> list[int]:
    lines = service.log_lines()
    return [line["status"] for line in lines if line.get("path", "").startswith(ARTIFACTS)]


def is_quiet(service: Process) -> bool:
    """Whether nothing in the log says that the service failed: others did."""
    log = service.log.read_text()
    return not any(sign in log for sign in ("Traceback", '"ERROR"', '"WARNING"'))


def stalled_upload(service: Process, name: str, sent: int) -> socket.socket:
    connection = request(
        service, f"{ARTIFACTS}/{name}", f"Content-Length: {100 * MIB}", method="PUT"
    )
    with contextlib.suppress(TimeoutError, ConnectionError):
        connection.settimeout(2)
        connection.sendall(bytes(sent))
    connection.settimeout(20)
    return connection


def test_stalled_uploads_take_little_memory_and_leave_nothing(service: Process) -> None:
    before = resident(service)
    attackers = scaled(40, 300)
    with ExitStack() as connections:
        for number in range(attackers):
            upload = stalled_upload(service, f"stalled/{number}", 3_900_000)
            connections.enter_context(upload)
        assert peak(service) - before < (64 + 80) * MIB
        first = connections_of(connections)[0].recv(12)
        assert first == b"HTTP/1.1 408"
        eventually(lambda: in_flight(service) == 0, seconds=60)
    assert requests.get(f"{service.url}{ARTIFACTS}?path=stalled", timeout=20).json() == {}
    assert is_quiet(service)


def test_readers_that_take_nothing_in_are_cut(service: Process) -> None:
    before = resident(service)
    descriptors = Path(f"/proc/{service.pid}/fd")
    open_before = len(list(descriptors.iterdir()))
    with ExitStack() as connections:
        for _ in range(PLACES):
            target = f"{ARTIFACTS}/big"
            reader = connections.enter_context(request(service, target, receive_bytes=4096))
            assert reader.recv(12) == b"HTTP/1.1 200"
        assert peak(service) - before < PLACES * 2 * MIB
        eventually(lambda: statuses(service) == [499] * PLACES, seconds=30)
        assert in_flight(service) == 0
        if LONG:  # what is still unsent goes too, while the clients hold on
            eventually(lambda: len(list(descriptors.iterdir())) <= open_before + 1, seconds=40)
    assert is_quiet(service)


def connections_of(stack: ExitStack) -> list[socket.socket]:
    return [each.__self__ for _, each in stack._exit_callbacks]  # type: ignore[attr-defined]


def test_a_body_that_trickles_in_is_given_up(service: Process) -> None:
    upload = request(service, f"{ARTIFACTS}/trickle", "Content-Length: 100000", method="PUT")
    ended = threading.Event()

    def trickle() -> None:
        with contextlib.suppress(OSError):
            while not ended.wait(0.05):
                upload.sendall(b"x")

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        answered = answer_until_close(upload)
    finally:
        ended.set()
        sender.join()
    assert answered.startswith(b"HTTP/1.1 408")
    assert b"too slowly" in answered


def answer_until_close(connection: socket.socket) -> bytes:
    data = b""
    while b"}" not in data:
        piece = connection.recv(65536)
        assert piece
        data += piece
    return data


def test_slow_but_steady_transfers_go_on(service: Process) -> None:
    piece, pieces = bytes(100_000), 20
    head = f"Content-Length: {len(piece) * pieces}"
    with request(service, f"{ARTIFACTS}/steady", head, "Connection: close", method="PUT") as upload:
        for _ in range(pieces):
            upload.sendall(piece)
            time.sleep(0.1)  # a megabyte a second: twice what is asked for
        assert upload.recv(12) == b"HTTP/1.1 200"
    assert answer(request(service, f"{ARTIFACTS}/steady", "Connection: close")).endswith(piece)


def test_beyond_its_places_the_service_says_when_to_come_again(service: Process) -> None:
    with ExitStack() as connections:
        for number in range(2 * PLACES):
            upload = request(
                service, f"{ARTIFACTS}/{number}", f"Content-Length: {MIB}", method="PUT"
            )
            connections.enter_context(upload)
        answers = [each.recv(65536) for each in connections_of(connections)]
    busy = [each for each in answers if each.startswith(b"HTTP/1.1 503")]
    assert len(busy) >= PLACES - 16  # so many may wait, and are given up for standing still
    assert all(b"retry-after: " in each.lower() for each in busy)
