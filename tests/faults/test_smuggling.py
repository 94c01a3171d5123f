"""Requests that two servers in a row could frame in two ways: refused, and nothing after them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import connections
from tests.harness.processes import Process
from tests.system import services
from tests.system.services import Stack

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_HIDDEN = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"

AMBIGUOUS = {
    "two lengths": [b"Content-Length: 0", b"Content-Length: %d" % len(_HIDDEN)],
    "lengths in a list": [b"Content-Length: 0, %d" % len(_HIDDEN)],
    "a length with a sign": [b"Content-Length: +0"],
    "a negative length": [b"Content-Length: -1"],
    "a length in hex": [b"Content-Length: 0x0"],
    "a length with an underscore": [b"Content-Length: 0_0"],
    "a length of other digits": ["Content-Length: ٠".encode()],
    "a length and chunks": [b"Content-Length: %d" % len(_HIDDEN), b"Transfer-Encoding: chunked"],
    "chunks and a length": [b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(_HIDDEN)],
    "another coding first": [b"Transfer-Encoding: gzip, chunked"],
    "another coding last": [b"Transfer-Encoding: chunked, gzip"],
    "two codings": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    "chunked twice": [b"Transfer-Encoding: chunked, chunked"],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "a coding in quotes": [b'Transfer-Encoding: "chunked"'],
    "a space before the colon": [b"Transfer-Encoding : chunked"],
    "a tab before the colon": [b"Content-Length\t: 5"],
    "a bare carriage return": [b"X: a\rTransfer-Encoding: chunked"],
    "a NUL": [b"Content-Length: 0\0"],
    "a vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "no name": [b": chunked"],
}
CHUNKS = {
    "a size with a sign": b"+0\r\n\r\n",
    "a negative size": b"-1\r\n\r\n",
    "a size with a prefix": b"0x0\r\n\r\n",
    "a size with an underscore": b"0_0\r\n\r\n",
    "no size": b"\r\n\r\n",
    "a size that is a word": b"zero\r\n\r\n",
    "more than the size says": b"2\r\n{}{}\r\n0\r\n\r\n",
    "a size ended by a line feed": b"2\n{}\r\n0\r\n\r\n",
}


@pytest.fixture(scope="module", params=["hypercorn", "uvicorn"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("smuggling")
    database = f"sqlite:///{directory / 'mlflow.db'}"
    options = ("--asgi-server", request.param)
    with services.stack(directory, database, str(directory / "files"), *options) as running:
        yield running


def _statuses(service: Process, target: bytes, lines: list[bytes], body: bytes) -> list[int]:
    """The statuses of all answers to a request, and to what is hidden behind it."""
    head = [target, b"Host: localhost", b"Content-Type: application/json", *lines, b"", b""]
    connection = connections.connect(service)
    connection.sendall(b"\r\n".join(head) + body + _HIDDEN)
    connection.settimeout(3)
    answered = b""
    with connection:
        try:
            while piece := connection.recv(65536):
                answered += piece
        except TimeoutError:
            pytest.fail(f"the connection stays open after {answered!r}")
        except ConnectionResetError:
            pass
    return [int(status) for status in _STATUS.findall(answered)]


def _targets(stack: Stack) -> list[tuple[Process, bytes]]:
    return [
        (stack.metadata, b"POST /api/2.0/mlflow/experiments/search HTTP/1.1"),
        (stack.artifacts, b"PUT /api/2.0/mlflow-artifacts/artifacts/smuggled HTTP/1.1"),
    ]


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_framing_that_is_ambiguous_hides_no_request(stack: Stack, lines: list[bytes]) -> None:
    for service, target in _targets(stack):
        statuses = _statuses(service, target, lines, b"0\r\n\r\n")
        assert len(statuses) <= 1, statuses
        assert all(status in (400, 501) for status in statuses)


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
def test_chunks_that_are_malformed_hide_no_request(stack: Stack, chunks: bytes) -> None:
    for service, target in _targets(stack):
        statuses = _statuses(service, target, [b"Transfer-Encoding: chunked"], chunks)
        assert len(statuses) <= 1, statuses
        assert all(status >= 400 for status in statuses)
