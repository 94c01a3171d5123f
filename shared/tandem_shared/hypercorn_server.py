"""Serves an ASGI application by Hypercorn, as `serve` promises."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio import run as hypercorn_run
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.asyncio import tcp_server
from hypercorn.config import Config, Sockets
from hypercorn.events import Event, RawData, Updated
from starlette.types import ASGIApp

_JOINED_BYTES = 64 * 1024


class _TCPServer(tcp_server.TCPServer):
    """A connection that costs less.

    - One task minds how long it is idle; Hypercorn starts and cancels two for every request.
    - An answer's head is sent together with the first bytes of its body: a system call, which lets
      other threads take the interpreter, costs more than to wait until the loop's next turn.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._idle_since: float | None = self.loop.time()
        self._held = b""

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            self._idle_since = self.loop.time() if event.idle else None
            return
        if isinstance(event, RawData):
            if not event.data:
                return
            if not self._held and event.data.startswith(b"HTTP/1.1 "):  # a body may, without harm
                self._held = event.data
                self.loop.call_soon(self._flush)
                return
            if len(event.data) <= _JOINED_BYTES:
                self._held, held = b"", self._held
                event = RawData(held + event.data)
        self._flush()
        await super().protocol_send(event)

    def _flush(self) -> None:
        if self._held:
            self._held, held = b"", self._held
            with contextlib.suppress(ConnectionError, RuntimeError):  # seen again by what follows
                self.writer.write(held)

    async def _close(self) -> None:
        self._flush()
        await super()._close()

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()  # the connection is not done before all its tasks are

    async def _idle_timeout(self) -> None:
        """Close the connection once it was idle for too long, or is so when the server stops."""
        stopped = self.context.terminated
        allowed = self.config.keep_alive_timeout
        while not stopped.is_set():
            idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
            if idle >= allowed:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), allowed - idle)
        if self._idle_since is not None:  # else Hypercorn closes it behind the answer
            await asyncio.shield(self._initiate_server_close())


# There are no settings for these. Hypercorn takes 64 KiB at a time, and each piece of an upload
# costs it a quarter of a millisecond; this is what asyncio reads at once.
for module, name, own in (
    (tcp_server, "MAX_RECV", 256 * 1024),
    (hypercorn_run, "TCPServer", _TCPServer),
):
    assert hasattr(module, name)
    setattr(module, name, own)


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
