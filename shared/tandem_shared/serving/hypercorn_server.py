"""Serves an ASGI application by Hypercorn.

Every use of what Hypercorn and h11 do not document is here:

- `hypercorn.asyncio.run.TCPServer`, `hypercorn.protocol.H11Protocol`, `HTTPStream` of the
  protocols h11 and h2, and `hypercorn.asyncio.tcp_server.MAX_RECV` are replaced, as no setting can.
- Of `TCPServer` `protocol_send`, `_close`, `_read_data` and `_idle_timeout` are overridden, and
  `config`, `context`, `idle_task`, `loop`, `state`, `writer` and `_initiate_server_close` used.
- Of `H11Protocol` `_check_protocol`, `_create_stream` and `_send_h11_event` are overridden, and
  `config`, `connection`, `send` and `_send_error_response` used.
- Of `HTTPStream` `app_send` and `handle` are overridden, and `state` and `app_put`, a method of the
  queue of the request's body, used.
- The frozen `h11.Response` is given its `reason`.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

import h11
import hypercorn.protocol
from hypercorn.asyncio import run as hypercorn_run
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.asyncio import tcp_server
from hypercorn.config import Config, Sockets
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import h2
from hypercorn.protocol import h11 as http11
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.typing import ASGISendEvent, H11SendableEvent
from starlette.types import ASGIApp

from tandem_shared.serving import closing
from tandem_shared.serving.head_joining import HeadJoiner
from tandem_shared.serving.listener import Listener
from tandem_shared.serving.options import ServerOptions, require_version
from tandem_shared.tls.scope import with_tls
from tandem_shared.tls.server_side import server_side

SUPPORTED = (("hypercorn", "0.18."), ("h11", "0.16."))

_READ_BYTES = 256 * 1024
"""Bytes that one read of a socket takes, as many as asyncio does by itself.

Each piece of an upload costs Hypercorn a quarter of a millisecond; it would take 64 KiB.
"""

_LINGER_SECONDS = 0.05
"""How long idle connections outlast the stop: clients that send at this moment are answered."""

_TURNS_TO_BEGIN = 3
"""Turns of the loop after which bytes that were read have become a request."""
_QUEUED_PIECES = 2
"""Pieces of a body, of up to 256 KiB, that wait for the application to take them."""
_MAX_REQUESTS = 1_000_000
"""Requests on one connection; Hypercorn would close it after 1,000."""
_PHRASES = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


class _HTTPStream(HTTPStream):
    """One request and its answer, whose end does not wait for the application.

    Hypercorn tells the application that the stream has ended once there is room in the queue of the
    request's body. Nobody makes room when the answer precedes the end of the body: request and
    connection would stay for ever.
    """

    _left = False
    """Whether the application has returned."""

    async def app_send(self, message: ASGISendEvent | None) -> None:
        if message is None:
            self._left = True
            self._make_room()
        await super().app_send(message)

    async def handle(self, event: StreamEvent) -> None:
        # The application may still want a body whose client has left.
        answered = self._left or self.state is ASGIHTTPState.CLOSED
        if answered and type(event) is StreamClosed:
            self._make_room()
        await super().handle(event)

    def _make_room(self) -> None:
        if self.app_put is not None:
            queue = cast("asyncio.Queue[Any]", cast(Any, self.app_put).__self__)
            while not queue.empty():
                queue.get_nowait()


class _Head(RawData):
    """The head of an answer; the type tells it from a body that looks like one."""


class _H11Protocol(H11Protocol):
    """HTTP/1 with stricter rules than Hypercorn's and h11's.

    - Answers have their reason phrase, which many clients show to people.
    - A request with both Content-Length and Transfer-Encoding is refused with 400 (smuggling).
    - HTTP/2 is refused with 505, unless `h2c` is on.
    - An offer to upgrade is removed: the request is answered as HTTP/1.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._h2c = cast(_Config, self.config).h2c

    async def _check_protocol(self, event: h11.Request) -> None:
        # Without h2c, `_create_stream` refuses or removes everything that this looks for.
        if self._h2c:
            await super()._check_protocol(event)

    async def _create_stream(self, request: h11.Request) -> None:
        fields = dict(request.headers)
        if b"transfer-encoding" in fields and b"content-length" in fields:
            await self._refuse(HTTPStatus.BAD_REQUEST)
        elif request.http_version > b"1.1":
            await self._refuse(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        else:
            await super()._create_stream(
                _without_upgrade(request) if b"upgrade" in fields else request
            )

    async def _refuse(self, status: HTTPStatus) -> None:
        # h11 parses no request after an answer with `connection: close`.
        await self._send_error_response(status)
        await self.send(Closed())

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        if type(event) is not h11.Response:
            await super()._send_h11_event(event)
            return
        # Events are frozen; h11 would check all headers of a second one again.
        object.__setattr__(event, "reason", _PHRASES.get(event.status_code, b""))
        try:
            head = self.connection.send(event)
        except h11.LocalProtocolError:  # as in Hypercorn's own
            if self.connection.their_state != h11.ERROR:
                raise
        else:
            await self.send(_Head(head or b""))


def _without_upgrade(request: h11.Request) -> h11.Request:
    return h11.Request(
        method=request.method,
        target=request.target,
        headers=[header for header in request.headers if header[0] != b"upgrade"],
        http_version=request.http_version,
    )


class _TCPServer(tcp_server.TCPServer):
    """A connection that costs less, and that is accounted for.

    One task a connection watches how long it is idle. Hypercorn starts and cancels one for every
    request, and knows no shorter time before the first.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        config = cast(_Config, self.config)
        self._keep_alive_timeout = config.keep_alive_timeout
        self._allowed = config.first_request_timeout
        self._connections = config.listener.connections
        self._connections.opened(self)
        self._idle_since: float | None = self.loop.time()
        self._joiner = HeadJoiner(self._write, self.loop)
        self._tls = server_side(self.writer.transport)
        if self._tls:
            self.state = with_tls(self.state, self._tls)

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self.writer.transport.abort()

    async def protocol_send(self, event: Event) -> None:
        if type(event) is Updated:
            if event.idle:
                self._idle_since = self.loop.time()
                self._connections.idle(self)
            else:
                self._idle_since = None
                self._allowed = self._keep_alive_timeout
                self._connections.busy(self)
            return
        if self._tls and self.writer.is_closing():
            # asyncio fails at a write once such a transport has been closed twice.
            await self.protocol.handle(Closed())
            return
        if type(event) is _Head:
            self._joiner.hold(event.data)
            return
        if type(event) is RawData:
            data = self._joiner.join(event.data)
            if not (data or self.writer.transport.get_write_buffer_size()):
                return
            event = RawData(data)
        else:
            self._joiner.flush()
        await super().protocol_send(event)

    def _write(self, head: bytes) -> None:
        if self._tls and self.writer.is_closing():
            return
        with contextlib.suppress(ConnectionError, RuntimeError):  # the next write raises it again
            self.writer.write(head)

    async def _close(self) -> None:
        self._joiner.flush()
        if self._tls:
            # `super()` closes, and then waits for the peer.
            self.loop.call_soon(closing.abort_if_stalled, self.writer.transport, self._tls)
        else:
            closing.abort_if_stalled(self.writer.transport)
        try:
            await super()._close()
        finally:
            self._connections.closed(self)

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()  # Hypercorn waits for every task of a connection

    async def _idle_timeout(self) -> None:
        """Close the connection when it has been idle for too long, or is idle at the stop."""
        stopped = self.context.terminated
        while not stopped.is_set():
            idle = 0.0 if self._idle_since is None else self.loop.time() - self._idle_since
            if idle >= self._allowed:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._allowed - idle)
        if stopped.is_set():
            await self._take_what_has_come()
        if self._idle_since is not None:  # else Hypercorn closes it after the answer
            await asyncio.shield(self._initiate_server_close())
            if self._tls:
                closing.abort_if_stalled(self.writer.transport, self._tls)

    async def _take_what_has_come(self) -> None:
        """Let a request that has arrived already begin.

        A connection closed meanwhile would lose the answer of a request that is carried out.
        """
        await asyncio.sleep(_LINGER_SECONDS)  # asyncio reads what the kernel has of it
        transport = cast(asyncio.Transport, self.writer.transport)
        transport.pause_reading()
        for _ in range(_TURNS_TO_BEGIN):
            await asyncio.sleep(0)
        if self._idle_since is None:
            transport.resume_reading()


def _replace(module: Any, name: str, own: object) -> None:
    if not hasattr(module, name):
        raise RuntimeError(f"Hypercorn has no {module.__name__}.{name} that Tandem could replace.")
    setattr(module, name, own)


for distribution, supported in SUPPORTED:
    require_version(distribution, supported)
_replace(tcp_server, "MAX_RECV", _READ_BYTES)
_replace(hypercorn_run, "TCPServer", _TCPServer)
_replace(hypercorn.protocol, "H11Protocol", _H11Protocol)
_replace(http11, "HTTPStream", _HTTPStream)
_replace(h2, "HTTPStream", _HTTPStream)


async def serve(
    app: ASGIApp,
    listener: Listener,
    options: ServerOptions,
    *,
    until: Callable[[], Awaitable[None]],
) -> None:
    """Serve as `options.Server` promises."""
    config = _config(
        listener,
        graceful_timeout=options.graceful_timeout + options.clean_up_timeout,
        first_request_timeout=options.first_request_timeout,
        keep_alive_timeout=options.keep_alive_timeout,
        keep_alive_max_requests=_MAX_REQUESTS,
        max_app_queue_size=_QUEUED_PIECES,
        backlog=options.backlog,
        include_server_header=False,
        errorlog=logging.getLogger("hypercorn.error"),
        accesslog=None,
        loglevel="WARNING",
        h2c=options.h2c,
        probes=options.probes,
    )
    # Hypercorn may end in CancelledError when requests are cancelled.
    with contextlib.suppress(asyncio.CancelledError):
        await hypercorn_serve(app, config, shutdown_trigger=until)  # type: ignore[arg-type]


class _Config(Config):
    """Has a socket that listens already."""

    first_request_timeout = 0.0
    h2c = False
    probes: Listener | None = None

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener

    def create_sockets(self) -> Sockets:
        # `tls_loop` speaks TLS below these sockets.
        sockets: list[socket.socket] = [self.listener]
        if self.probes:
            sockets.append(self.probes)
        return Sockets(secure_sockets=[], insecure_sockets=sockets, quic_sockets=[])


def _config(listener: Listener, **values: Any) -> Config:
    """A configuration; raises RuntimeError for names that Hypercorn lacks and would ignore."""
    config = _Config(listener)
    for name, value in values.items():
        if not hasattr(config, name):
            raise RuntimeError(f"Hypercorn has no setting {name}.")
        setattr(config, name, value)
    return config
