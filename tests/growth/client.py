"""One client that asks over one connection, one request after the other."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.growth.rows import Request, Wrong

_TIMEOUT = 120
_LEAST = 5
_WARM_UP = 3


def ask(
    url: str, requests: Iterator[Request], seconds: float, check: Callable[[Any], None]
) -> list[float]:
    """How long each answer took, in milliseconds, of as many as the time allows, or of a few.

    A few go before and are not counted. Raises Wrong for an answer that is not 200, and what
    `check` raises for one of those before.
    """
    host = urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=_TIMEOUT)
    try:
        for _ in range(_WARM_UP):
            check(json.loads(_answer(connection, next(requests))[1]))
        found: list[float] = []
        end = time.monotonic() + seconds
        while len(found) < _LEAST or time.monotonic() < end:
            found.append(_answer(connection, next(requests))[0])
        return found
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, request: Request) -> tuple[float, bytes]:
    """Milliseconds from the first byte sent to the last received, and what was received."""
    headers = {"Content-Type": "application/json"}
    body = request.body.encode() or None
    begun = time.perf_counter()
    connection.request(request.method, request.path, body, headers)
    answer = connection.getresponse()
    received = answer.read()
    taken = 1000 * (time.perf_counter() - begun)
    if answer.status != http.client.OK:
        raise Wrong(f"{request.path}: {answer.status} {received[:200]!r}")
    return taken, received
