"""One large file over one connection, with as little work for the client as can be.

The kernel sends from the page cache, and what arrives is only counted.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

_BUFFER = 1 << 20
_HEADERS_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_TIMEOUT = 180


class Refused(Exception):
    """The transfer did not go as it should."""


def upload(url: str, source: Path) -> float:
    """PUT the file; the seconds until the answer, which must be good."""
    size = source.stat().st_size
    with source.open("rb") as file, _connected(url) as (connection, path, host):
        begun = time.monotonic()
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n"
            "Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n".encode()
        )
        connection.sendfile(file)
        answer = connection.recv(_BUFFER)
        seconds = time.monotonic() - begun
    _check(answer)
    return seconds


def download(url: str, size: int) -> float:
    """GET a file of that size; the seconds until its last byte."""
    buffer = bytearray(_BUFFER)
    view = memoryview(buffer)
    with _connected(url) as (connection, path, host):
        begun = time.monotonic()
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        head = b""
        while _HEADERS_END not in head:
            head += _received(connection)
        headers, _, body = head.partition(_HEADERS_END)
        _check(headers)
        chunked = b"transfer-encoding: chunked" in headers.lower()
        total, tail = len(body), body[-8:]
        while not (tail.endswith(_LAST_CHUNK) if chunked else total >= size):
            count = connection.recv_into(view)
            if not count:
                break
            total += count
            tail = bytes(view[max(count - 8, 0) : count])
        seconds = time.monotonic() - begun
    # Chunks have sizes and line ends around them.
    if not size <= total <= size + (size // 100 if chunked else 0):
        raise Refused(f"{total} bytes came, of {size}")
    return seconds


def _received(connection: socket.socket) -> bytes:
    if not (received := connection.recv(_BUFFER)):
        raise Refused("the connection ended before the answer")
    return received


@contextmanager
def _connected(url: str) -> Iterator[tuple[socket.socket, str, str]]:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    with socket.create_connection(address, _TIMEOUT) as connection:
        yield connection, parts.path, parts.netloc


def _check(answer: bytes) -> None:
    if not answer.startswith((b"HTTP/1.1 20", b"HTTP/1.0 20")):
        raise Refused(f"answered {answer[:200]!r}")
