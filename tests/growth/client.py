"""One client that asks over one connection, one request after the other, or several at once."""

import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from tests.growth.rows import Request, Wrong

_TIMEOUT = 120
_LEAST = 5
_WARM_UP = 3
_OF_A_BROWSER = 6
"""Connections to one host."""


def ask(
    url: str,
    requests: Iterator[Request],
    seconds: float,
    check: Callable[[Any], None],
    together: int = 1,
) -> list[float]:
    """How long each answer took, in milliseconds, of as many as the time allows, or of a few.

    Of requests that are sent `together`, as a browser does, the last answer counts.

    A few go before and are not counted. Raises Wrong for an answer that is not 200, and what
    `check` raises for one of those before.
    """
    host = urlsplit(url).netloc
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(http.client.HTTPConnection(host, timeout=_TIMEOUT)))
            for _ in range(min(together, _OF_A_BROWSER))
        ]
        threads = stack.enter_context(ThreadPoolExecutor(len(connections)))

        def answers() -> tuple[float, list[bytes]]:
            asked = [*islice(requests, together)]
            if together == 1:
                taken, received = _answer(connections[0], asked[0])
                return taken, [received]
            begun = time.perf_counter()
            parts = [
                threads.submit(_each, connection, asked[place :: len(connections)])
                for place, connection in enumerate(connections)
            ]
            found = [received for part in parts for received in part.result()]
            return 1000 * (time.perf_counter() - begun), found

        for _ in range(_WARM_UP):
            for received in answers()[1]:
                check(json.loads(received) if received else None)
        found: list[float] = []
        end = time.monotonic() + seconds
        while len(found) < _LEAST or time.monotonic() < end:
            found.append(answers()[0])
        return found


def _each(connection: http.client.HTTPConnection, requests: Iterable[Request]) -> list[bytes]:
    return [_answer(connection, each)[1] for each in requests]


def _answer(connection: http.client.HTTPConnection, request: Request) -> tuple[float, bytes]:
    """Milliseconds from the first byte sent to the last received, and what was received."""
    body = request.body.encode() if isinstance(request.body, str) else request.body
    begun = time.perf_counter()
    connection.request(request.method, request.path, body or None, dict(request.headers))
    answer = connection.getresponse()
    received = answer.read()
    taken = 1000 * (time.perf_counter() - begun)
    if answer.status != http.client.OK:
        raise Wrong(f"{request.path}: {answer.status} {received[:200]!r}")
    return taken, received
