"""Bare connections, for what no HTTP client would send or would leave unread."""

import socket
from urllib.parse import urlsplit

from tests.harness.processes import Process


def connect(process: Process, *, receive_bytes: int | None = None) -> socket.socket:
    """A connection to the service; `receive_bytes` bounds what its client's kernel takes unread."""
    address = urlsplit(process.url)
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(20)
    connection.connect((address.hostname, address.port))
    return connection


def request(
    process: Process,
    target: str,
    *headers: str,
    method: str = "GET",
    receive_bytes: int | None = None,
) -> socket.socket:
    """A connection on which a request's head was sent, and of which nothing was read."""
    connection = connect(process, receive_bytes=receive_bytes)
    host = urlsplit(process.url).netloc
    head = "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *headers, "", ""])
    connection.sendall(head.encode())
    return connection


def answer(connection: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    with connection:
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)
