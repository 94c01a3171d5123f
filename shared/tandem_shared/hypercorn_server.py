"""Serves an ASGI application by Hypercorn, as `serve` promises."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.asyncio import tcp_server
from hypercorn.config import Config, Sockets
from starlette.types import ASGIApp

# Hypercorn takes 64 KiB at a time, and each piece of an upload costs it a quarter of a millisecond.
# This is what asyncio reads at once; there is no setting.
assert hasattr(tcp_server, "MAX_RECV")
tcp_server.MAX_RECV = 256 * 1024


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    until: Callable[[], Awaitable[None]],
    graceful_seconds: float,
    clean_up_seconds: float,
    keep_alive_seconds: float,
    backlog: int,
) -> None:
    """Serve on a listening socket until `until()` ends, and then what is in flight.

    Idle connections are closed after `keep_alive_seconds`, and at the stop. Requests are cut by the
    caller after `graceful_seconds`.
    """
    config = _config(
        listener,
        graceful_timeout=graceful_seconds + clean_up_seconds,
        keep_alive_timeout=keep_alive_seconds,
        keep_alive_max_requests=1_000_000,
        backlog=backlog,
        include_server_header=False,
        errorlog=logging.getLogger("hypercorn.error"),
        accesslog=None,
        loglevel="WARNING",
    )
    # Hypercorn may end in CancelledError when requests are cut.
    with contextlib.suppress(asyncio.CancelledError):
        await hypercorn_serve(app, config, shutdown_trigger=until)  # type: ignore[arg-type]


class _Config(Config):
    """Has a socket that listens already."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__()
        self._listener = listener

    def create_sockets(self) -> Sockets:
        return Sockets(secure_sockets=[], insecure_sockets=[self._listener], quic_sockets=[])


def _config(listener: socket.socket, **values: Any) -> Config:
    """Hypercorn takes unknown names in silence; this does not."""
    config = _Config(listener)
    for name, value in values.items():
        if not hasattr(config, name):
            raise AttributeError(f"Hypercorn has no setting {name}")
        setattr(config, name, value)
    return config
