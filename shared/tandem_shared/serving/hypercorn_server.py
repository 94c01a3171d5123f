"""Serves an ASGI application by Hypercorn, as `serve` promises."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

import h11
import hypercorn.protocol
from hypercorn.asyncio import run as hypercorn_run
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.asyncio import tcp_server
from hypercorn.config import Config, Sockets
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from starlette.types import ASGIApp

from tandem_shared.serving import parting
from tandem_shared.serving.listener import Listener

_JOINED_BYTES = 64 * 1024
_LINGER_SECONDS = 0.05
"""How long idle connections outlast the stop: clients that send at this moment are answered."""

_TURNS_TO_BEGIN = 3
"""Turns of the loop after which bytes that were read have become a request."""
_QUEUED_PIECES = 2
"""Pieces of a body, of up to 256 KiB, that wait for the application to take them."""
_PHRASES = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


class _Head(bytes):
    """The head of an answer, as it goes out; nothing else is one, whatever it begins with."""


class _Connection(h11.Connection):
    """HTTP/1, where h11 leaves something open.

    - Answers have their reason phrase, which many clients show to people.
    - A request whose end two headers tell, maybe differently, is refused. So is HTTP/2, unless it
      was asked for.
    - An offer to go on in another protocol is not taken up: the request is answered as it is.
    """

    def __init__(self, config: "_Config") -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=config.h11_max_incomplete_size)
        self._h2c = config.h2c
        self._refusal: h11.RemoteProtocolError | None = None

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override]
        if not isinstance(event, h11.Response):
            return super().send(event)
        # Events are frozen; a second one would have all its headers checked again.
        object.__setattr__(event, "reason", _PHRASES.get(event.status_code, b""))
        return _Head(super().send(event) or b"")

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self._refusal:  # what comes behind is none of ours
            raise self._refusal
        event = super().next_event()
        return self._checked(event) if isinstance(event, h11.Request) else event

    def _checked(self, request: h11.Request) -> h11.Request:
        fields = dict(request.headers)
        if b"transfer-encoding" in fields and b"content-length" in fields:
            self._refuse("one end of the request is enough", HTTPStatus.BAD_REQUEST)
        if request.http_version > b"1.1" and not self._h2c:
            self._refuse("this is HTTP/1 only", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        offer = fields.get(b"upgrade", b"").strip().lower()
        if not offer or (self._h2c and offer == b"h2c"):
            return request
        return h11.Request(
            method=request.method,
            target=request.target,
            headers=[header for header in request.headers if header[0] != b"upgrade"],
            http_version=request.http_version,
        )

    def _refuse(self, reason: str, status: HTTPStatus) -> None:
        self._refusal = h11.RemoteProtocolError(reason, error_status_hint=status.value)
        raise self._refusal


class _H11Protocol(H11Protocol):
    """Hypercorn's, over our connection."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        assert isinstance(self.config, _Config)
        self.connection = _Connection(self.config)


class _TCPServer(tcp_server.TCPServer):
    """A connection that costs less.

    - One task minds how long it is idle; Hypercorn starts and cancels two for every request.
      Before its first request that is less.
    - An answer's head is sent together with the first bytes of its body: a system call, which lets
      other threads take the interpreter, costs more than to wait until the loop's next turn.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        assert isinstance(self.config, _Config)
        self._allowed = self.config.first_request_timeout
        self._connections = self.config.listener.connections
        self._connections.opened(self)
        self._idle_since: float | None = self.loop.time()
        self._held = b""

    def give_up(self) -> None:
        """Close it at once; nothing is under way on it."""
        self.writer.transport.abort()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated):
            if event.idle:
                self._idle_since = self.loop.time()
                self._connections.idle(self)
            else:
                self._idle_since = None
                self._allowed = self.config.keep_alive_timeout
                self._connections.busy(self)
            return
        if isinstance(event, RawData):
            if isinstance(event.data, _Head) and len(event.data) <= _JOINED_BYTES:
                self._flush()
                self._held = event.data
                self.loop.call_soon(self._flush)
                return
            if not (event.data or self._held or self.writer.transport.get_write_buffer_size()):
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
        parting.bound(self.writer.transport)
        try:
            await super()._close()
        finally:
            self._connections.closed(self)

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()  # the connection is not done before all its tasks are

    async def _idle_timeout(self) -> None:
        """Close the connection once it was idle for too long, or is so when the server stops."""
        stopped = self.context.terminated
        while not stopped.is_set():
            idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
            if idle >= self._allowed:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._allowed - idle)
        if stopped.is_set():
            await self._take_what_has_come()
        if self._idle_since is not None:  # else Hypercorn closes it behind the answer
            await asyncio.shield(self._initiate_server_close())

    async def _take_what_has_come(self) -> None:
        """Let a request that is here already be begun: closed behind its back, it would be done
        and its answer lost.
        """
        await asyncio.sleep(_LINGER_SECONDS)  # what the kernel has of it is read
        transport = cast(asyncio.Transport, self.writer.transport)
        transport.pause_reading()
        for _ in range(_TURNS_TO_BEGIN):
            await asyncio.sleep(0)
        if self._idle_since is None:
            transport.resume_reading()


# There are no settings for these. Hypercorn takes 64 KiB at a time, and each piece of an upload
# costs it a quarter of a millisecond; this is what asyncio reads at once.
for module, name, own in (
    (tcp_server, "MAX_RECV", 256 * 1024),
    (hypercorn_run, "TCPServer", _TCPServer),
    (hypercorn.protocol, "H11Protocol", _H11Protocol),
):
    assert hasattr(module, name)
    setattr(module, name, own)


async def serve(
    app: ASGIApp,
    listener: Listener,
    *,
    until: Callable[[], Awaitable[None]],
    graceful_seconds: float,
    clean_up_seconds: float,
    first_request_seconds: float,
    keep_alive_seconds: float,
    backlog: int,
    h2c: bool = False,
) -> None:
    """Serve on a listening socket until `until()` ends, and then what is in flight.

    Idle connections are closed after `keep_alive_seconds`, those that never sent a request after
    `first_request_seconds`, and all at the stop. Requests are cut by the caller after
    `graceful_seconds`. With `h2c`, clients may speak HTTP/2 in clear text.
    """
    config = _config(
        listener,
        graceful_timeout=graceful_seconds + clean_up_seconds,
        first_request_timeout=first_request_seconds,
        keep_alive_timeout=keep_alive_seconds,
        keep_alive_max_requests=1_000_000,
        max_app_queue_size=_QUEUED_PIECES,
        backlog=backlog,
        include_server_header=False,
        errorlog=logging.getLogger("hypercorn.error"),
        accesslog=None,
        loglevel="WARNING",
        h2c=h2c,
    )
    # Hypercorn may end in CancelledError when requests are cut.
    with contextlib.suppress(asyncio.CancelledError):
        await hypercorn_serve(app, config, shutdown_trigger=until)  # type: ignore[arg-type]


class _Config(Config):
    """Has a socket that listens already."""

    first_request_timeout = 0.0
    h2c = False

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener

    def create_sockets(self) -> Sockets:
        return Sockets(secure_sockets=[], insecure_sockets=[self.listener], quic_sockets=[])


def _config(listener: Listener, **values: Any) -> Config:
    """Hypercorn takes unknown names in silence; this does not."""
    config = _Config(listener)
    for name, value in values.items():
        if not hasattr(config, name):
            raise AttributeError(f"Hypercorn has no setting {name}")
        setattr(config, name, value)
    return config
