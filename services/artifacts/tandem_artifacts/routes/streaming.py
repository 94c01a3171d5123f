"""Request bodies in and artifacts out, in constant memory. The event loop runs all of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Send

from tandem_shared.errors import BadRequest, Unavailable
from tandem_shared.http.transfers import TooSlow, Transfer

MAX_DIGITS = 18
"""Most digits of a Content-Length; no real length has more."""


_PUT_AWAY_SECONDS: Final = 0.25
"""Longest time that slow bytes wait in memory before the driver may store them."""


async def request_body(
    request: Request, transfer: Transfer, *, limit: int | None
) -> AsyncIterator[bytes]:
    """The request's body as it comes in; an empty chunk lets the driver store what it holds.

    Ends only after all of it has come: raises ClientDisconnect when the client leaves, BadRequest
    when the body is not as long as its Content-Length (400) or longer than `limit` (413), and
    TooSlow when it comes more slowly than the transfer may take.
    """
    declared = declared_length(request)
    received = 0
    pace = _Pace(transfer)
    clock = asyncio.get_running_loop().time
    put_away = clock()
    more = True
    while more:
        message = await pace.soon(request.receive)
        if message is None or clock() - put_away > _PUT_AWAY_SECONDS:
            put_away = clock()
            yield b""
        if message is None:
            message = await pace.at_last(request.receive)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        size = len(message.get("body", b""))
        received += size
        check_limit(received, limit)
        pace.count(size)
        if size:
            yield message.pop("body")
    if declared is not None and received != declared:
        raise BadRequest(f"The request body has {received} bytes, its Content-Length {declared}.")


class _Pace:
    """The rate of a body, by the time spent on waiting for it alone."""

    def __init__(self, transfer: Transfer) -> None:
        self._transfer = transfer
        self._seconds = 0.0
        self._bytes = 0

    async def soon(self, receive: Receive) -> Message | None:
        """The next message; None when it does not come at once."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(_PUT_AWAY_SECONDS) as moment:
                return await receive()
        except TimeoutError:
            if not moment.expired():
                raise
            return None
        finally:
            self._seconds += clock() - started

    async def at_last(self, receive: Receive) -> Message:
        """The next message; raises TooSlow when it takes too long."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            return await self._transfer.client(receive())
        finally:
            self._seconds += clock() - started

    def count(self, size: int) -> None:
        """Raises TooSlow when too little came for long."""
        self._bytes += size
        if self._seconds < self._transfer.idle_seconds:
            return
        if self._bytes < self._seconds * self._transfer.least_rate:
            rate = self._bytes / self._seconds
            raise TooSlow(f"The request body came too slowly: {rate:.0f} bytes a second.")
        self._seconds, self._bytes = 0.0, 0


def declared_length(request: Request) -> int | None:
    """The Content-Length; raises BadRequest when it is no number."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise BadRequest("The Content-Length must be a number.")
    return int(text)


def check_limit(length: int, limit: int | None) -> None:
    """Raise BadRequest (413) for more than `limit` bytes."""
    if limit is not None and length > limit:
        raise BadRequest(f"The artifact is larger than the limit of {limit} bytes.", status=413)


async def send_out(
    receive: Receive,
    send: Send,
    status: int,
    headers: Mapping[str, str],
    chunks: AsyncIterator[bytes],
    transfer: Transfer,
) -> None:
    """Send an answer whose body is `chunks`; stop reading them when the client leaves.

    Raises TooSlow when the client takes it in more slowly than the transfer may take.

    The answer begins when the first chunk is there: until then an error can still be answered. With
    a Content-Length among the headers exactly so many bytes must come. When they do not, or
    `chunks` raises, so does this, and the server cuts the connection: the client sees that its copy
    is not whole.
    """
    left = int(headers["Content-Length"]) if "Content-Length" in headers else None
    first = [await anext(chunks, b"")]  # A list, so that the sender can drop the chunk.
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.items()
            ],
        }
    )
    if len(first[0]) == left:
        await transfer.client(send({"type": "http.response.body", "body": first.pop()}), left)
    else:
        await _send_more(receive, send, first, chunks, left, transfer)


async def _send_more(
    receive: Receive,
    send: Send,
    first: list[bytes],
    chunks: AsyncIterator[bytes],
    left: int | None,
    transfer: Transfer,
) -> None:
    failure: Exception | None = None
    ending = False

    async def until_the_client_leaves() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        if not ending:
            tasks.cancel_scope.cancel()

    async def pump() -> None:
        nonlocal ending, left
        chunk = first.pop()
        while chunk:
            if left is not None:
                left -= len(chunk)
                if left < 0:
                    break
            message = {"type": "http.response.body", "body": chunk, "more_body": True}
            await transfer.client(send(message), len(chunk))
            del message
            chunk = await anext(chunks, b"")
        if left:
            raise Unavailable("The artifact changed while it was sent.")
        ending = True
        await send({"type": "http.response.body", "body": b""})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_the_client_leaves)
        try:
            await pump()
        except Exception as error:  # Raised below: a task group would wrap it in a group.
            failure = error
        tasks.cancel_scope.cancel()
    if failure:
        raise failure
