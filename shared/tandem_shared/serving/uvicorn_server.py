"""Serves an ASGI application by Uvicorn and httptools.

Every use of what Uvicorn and httptools do not document is here:

- Of `uvicorn.Server` `capture_signals` and `shutdown` are overridden, and `server_state` is used.
- Of `HttpToolsProtocol` the callbacks are overridden, `data_received` among them without a call of
  Uvicorn's. Used are `app_state`, `config`, `cycle`, `headers`, `loop`, `parser`, `pipeline`,
  `transport`, `timeout_keep_alive_handler`, `timeout_keep_alive_task`, `url`,
  `_unset_keepalive_if_required`, and `STATUS_LINE`.
- Uvicorn writes the head of an answer by one `transport.write`, and interim answers apart.
- httptools keeps an exception of a callback as the `__context__` of its own.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any, cast

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tandem_shared.serving import closing
from tandem_shared.serving.head_joining import HeadJoiner
from tandem_shared.serving.listener import Connections, Listener
from tandem_shared.serving.options import ServerOptions, require_version
from tandem_shared.tls.scope import with_tls
from tandem_shared.tls.server_side import server_side

SUPPORTED = (("uvicorn", "0.54."), ("httptools", "0.9."))

_HEAD_BYTES = 64 * 1024
_INTERIM = b"HTTP/1.1 1"

for distribution, supported in SUPPORTED:
    require_version(distribution, supported)


async def serve(
    app: ASGIApp,
    listener: Listener,
    options: ServerOptions,
    *,
    until: Callable[[], Awaitable[None]],
) -> None:
    """Serve as `options.Server` promises."""
    config = _Config(
        app,
        loop="none",
        http=_Protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        # The client's address is the peer's, as under Hypercorn.
        proxy_headers=False,
        server_header=False,
        backlog=options.backlog,
        timeout_keep_alive=options.keep_alive_timeout,  # type: ignore[arg-type]
    )
    config.first_request_timeout = options.first_request_timeout
    config.open_connections = listener.connections
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.ERROR)  # it warns of every malformed request
    log.addFilter(_is_fault)
    server = _Server(config, options.graceful_timeout + options.clean_up_timeout / 2)

    async def stop() -> None:
        await until()
        server.should_exit = True

    stopping = asyncio.create_task(stop())
    await server.serve(sockets=[listener, options.probes] if options.probes else [listener])
    stopping.cancel()


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether it is more than a request that was cancelled or broke off, an error to Uvicorn."""
    if record.msg == "ASGI callable returned without completing response.":
        return False
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Config(uvicorn.Config):
    first_request_timeout: float
    open_connections: Connections


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, abort_after: float) -> None:
        super().__init__(config)
        self._abort_after = abort_after

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`; Uvicorn would raise them again at its end."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(self._abort_after, self._abort)
        await super().shutdown(sockets)

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _JoiningTransport:
    """A transport that joins heads and bodies; otherwise it is the one that it wraps."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._joiner = HeadJoiner(transport.write, loop)
        self.tls = server_side(transport)
        self.expects_head = True
        """Whether the next write begins an answer: a body may look like a head."""
        self.is_closing = transport.is_closing  # of every request, so it saves a look-up

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self.expects_head and not data.startswith(_INTERIM):
            self.expects_head = False
            self._joiner.hold(data)
        else:
            self._transport.write(self._joiner.join(data))

    def close(self) -> None:
        if self.is_closing():  # asyncio fails at a write once one with TLS was closed twice
            return
        self._joiner.flush()
        self._transport.close()
        closing.abort_if_stalled(self._transport, self.tls)


class _Refused(Exception):
    """A request is malformed, or of a kind that no route takes."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class _Protocol(HttpToolsProtocol):
    """Limits that Uvicorn lacks.

    - A head, and whatever else does not reach the application, may have 64 KiB.
    - The idle timeout also holds before the first request, and until the next head is complete.
    - A connection whose request was answered before its body was read is closed.
    - A request that offers an upgrade, as some clients do for HTTP/2, keeps its body.
    - A request of HTTP/1.1 has one Host, HTTP/2 is refused, and only `chunked` codes a body.
    """

    _unread = 0
    """Bytes since the last ones that became a request or its body."""
    _upgrading = False
    """Whether llhttp is about to leave the rest of the connection to another protocol."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._joining = _JoiningTransport(transport, self.loop)
        self.transport = self._joining  # type: ignore[assignment]
        if self._joining.tls:
            self.app_state = with_tls(self.app_state, self._joining.tls)
        config = cast(_Config, self.config)
        self._open = config.open_connections
        self._open.opened(self)
        self.timeout_keep_alive_task = self.loop.call_later(
            config.first_request_timeout, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.closed(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(reason.status if isinstance(reason, _Refused) else HTTPStatus.BAD_REQUEST)
            return
        if self._unread > _HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._unread = 0
        names = [name for name, _ in self.headers]
        if b"upgrade" in names and self.parser.should_upgrade():
            self._upgrading = True
            return
        version = self.parser.get_http_version()
        if version > "1.1":
            raise _Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if names.count(b"host") != 1 and version == "1.1":
            raise _Refused(HTTPStatus.BAD_REQUEST)
        if b"transfer-encoding" in names:
            coding = [value for name, value in self.headers if name == b"transfer-encoding"]
            if b",".join(coding).strip().lower() != b"chunked":
                raise _Refused(HTTPStatus.NOT_IMPLEMENTED)
        self._open.busy(self)
        self._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._upgrading:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._joining.expects_head = True
        super().on_response_complete()
        if self._is_idle():
            self._open.idle(self)
        if self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its offer to upgrade: llhttp would skip its body."""
        self._upgrading = False
        version = self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))

    def _refuse(self, status: HTTPStatus) -> None:
        """Close; answer with `status` unless an answer has begun or others are due before it."""
        if self._is_idle() or not (self.pipeline or self.cycle.response_started):
            end = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + end)
        self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete
