"""One HTTP request and its answer as ASGI messages, and how far both have come."""

import asyncio
import contextlib
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

LINGER_BYTES = 64 * 1024 * 1024
LINGER_SECONDS = 10.0
"""The most bytes and seconds for which a body that no route reads is drained."""

_ANNOUNCING = (b"content-length", b"transfer-encoding")
"""Headers without one of which a GET has no body. (HTTP/2 needs none, nor does it close.)"""


def with_headers(headers: Iterable[Header], own: list[Header]) -> list[Header]:
    """Response headers, with `own` in place of all others of their names (lower-case)."""
    names = [name for name, _ in own]
    return [header for header in headers if header[0] not in names] + own


def request_header(scope: Scope, name: bytes, default: str = "") -> str:
    """The first request header of a lower-case name."""
    for each, value in scope["headers"]:
        if each == name:
            text: str = value.decode("latin-1")
            return text
    return default


class Exchange:
    """Passes on the messages of one request, and tracks how far body and answer have come."""

    __slots__ = ("_arrived", "_receive", "_send", "answering")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._arrived = False
        self.answering = False
        """Whether the answer has begun; no other can replace it then."""

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body"):
            self._arrived = True
        return message

    async def send(self, message: Message) -> None:
        self.answering = True
        await self._send(message)

    async def drain_request(self, scope: Scope) -> None:
        """Read and drop a body that no handler has read; a GET may have one too.

        A server closes the connection after an answer that precedes the end of its request. The
        client may have sent its next request by then.
        """
        if self._is_awaited(scope):
            await self._linger()

    async def refuse(self, response: Response, scope: Scope, *, patient: bool = True) -> None:
        """Send an answer; if `patient`, end it only when the request's body has arrived.

        Closing a socket with unread bytes resets the connection, and many clients then report a
        broken connection instead. `LINGER_BYTES` and `LINGER_SECONDS` bound the wait.
        """
        await self.send(
            {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": response.headers.raw,
            }
        )
        if not (patient and self._is_awaited(scope)):
            await self.send({"type": "http.response.body", "body": response.body})
        else:
            await self.send(
                {"type": "http.response.body", "body": response.body, "more_body": True}
            )
            await self._linger()
            await self.send({"type": "http.response.body", "body": b""})

    def _is_awaited(self, scope: Scope) -> bool:
        if self._arrived:
            return False
        if scope["method"] not in ("GET", "HEAD"):
            return True
        return any(name in _ANNOUNCING for name, _ in scope["headers"])

    async def _linger(self) -> None:
        rest = LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._arrived and rest > 0:
                    rest -= len((await self.receive()).get("body", b""))
