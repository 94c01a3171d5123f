"""Serves an ASGI application by Uvicorn and httptools, as `serve` promises."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tandem_shared.serving import parting
from tandem_shared.serving.listener import Connections, Listener

_HEAD_BYTES = 64 * 1024
_JOINED_BYTES = 64 * 1024
_INTERIM = b"HTTP/1.1 1"


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
) -> None:
    """Serve on a listening socket until `until()` ends, and then what is in flight.

    Idle connections are closed after `keep_alive_seconds`, those that never sent a request after
    `first_request_seconds`, and all at the stop. Requests are cut by the caller after
    `graceful_seconds`; clients that do not read what is left lose their connections.
    """
    config = _Config(
        app,
        loop="none",
        http=_Protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        # The caller's address is the peer's, as under Hypercorn.
        proxy_headers=False,
        server_header=False,
        backlog=backlog,
        timeout_keep_alive=keep_alive_seconds,  # type: ignore[arg-type]
    )
    config.first_request_timeout = first_request_seconds
    config.open = listener.connections
    log = logging.getLogger("uvicorn.error")
    log.setLevel(logging.ERROR)  # it warns of whatever nonsense strangers send
    log.addFilter(_is_no_cut)
    server = _Server(config, graceful_seconds + clean_up_seconds / 2)

    async def stop() -> None:
        await until()
        server.should_exit = True

    stopping = asyncio.create_task(stop())
    await server.serve(sockets=[listener])
    stopping.cancel()


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Uvicorn reports each request that is cancelled, or breaks off, as an error; it is none."""
    if record.msg == "ASGI callable returned without completing response.":
        return False
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


class _Config(uvicorn.Config):
    first_request_timeout: float
    open: Connections


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, abort_after: float) -> None:
        super().__init__(config)
        self._abort_after = abort_after

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are `serve`'s own business; Uvicorn would raise them again at its end."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(self._abort_after, self._abort)
        await super().shutdown(sockets)

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Joining:
    """A transport that sends an answer's head together with the first bytes of its body.

    Uvicorn writes them one after the other, and a system call, which lets other threads take the
    interpreter, costs more than the rest of a small answer.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.expects_head = True
        """Whether the next that is written begins an answer: bodies may look as heads do."""
        self.is_closing = transport.is_closing
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        if self._held:
            self._held, head = b"", self._held
            if len(data) <= _JOINED_BYTES:
                self._transport.write(head + data)
                return
            self._transport.write(head)
        elif self.expects_head and not data.startswith(_INTERIM):
            self.expects_head = False
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()
        parting.bound(self._transport)

    def _flush(self) -> None:
        if self._held:
            self._held, held = b"", self._held
            self._transport.write(held)


class _Refused(Exception):
    """A request that is not taken, whatever it is about."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


class _Protocol(HttpToolsProtocol):
    """Closes what Uvicorn leaves open.

    - A head, and whatever else does not reach the application, may have 64 KiB.
    - A connection may be idle before its first request for a bounded time, too, and until the head
      of the next has come, not only its first byte.
    - One whose request was answered before all of its body came is closed.
    - A request that offers an upgrade, as some clients do for HTTP/2, keeps its body.
    - A request names one host, is of HTTP/1, and its body is coded by nothing but chunks.
    """

    _unread = 0
    """Bytes since the last that became a request or its body."""
    _upgrading = False
    """Whether llhttp is about to leave the rest of the connection to another protocol."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._joining = _Joining(transport, self.loop)
        self.transport = self._joining  # type: ignore[assignment]
        assert isinstance(self.config, _Config)
        self._open = self.config.open
        self._open.opened(self)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.config.first_request_timeout, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.closed(self)
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Close it at once; nothing is under way on it."""
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
        if self.parser.should_upgrade() and b"upgrade" in names:
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
        """Take the request in again as one that offers no upgrade: llhttp would skip its body."""
        self._upgrading = False
        version = self.parser.get_http_version().encode()
        head = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        head += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))

    def _refuse(self, status: HTTPStatus) -> None:
        """Close, and say why unless that would go into the midst of an answer."""
        if self._is_idle() or not (self.pipeline or self.cycle.response_started):
            end = b"content-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + end)
        self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete
