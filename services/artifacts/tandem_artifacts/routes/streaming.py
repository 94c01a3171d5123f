"""Bytes in and out in constant memory, all or nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import anyio
from starlette.requests import Request
from starlette.types import Receive, Send

from tandem_shared.errors import BadRequest, Unavailable

MAX_DIGITS = 18
"""More digits than any length has."""


async def sent_by(
    request: Request, *, limit: int | None, idle_timeout: float
) -> AsyncIterator[bytes]:
    """The request's body as it comes in.

    Ends only after all of it has come: raises ClientDisconnect when the client leaves, and
    BadRequest when the body is not as long as its Content-Length (400), longer than `limit` (413)
    or when nothing has come for `idle_timeout` seconds (408).
    """
    declared = declared_length(request)
    received = 0
    body = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_timeout):
                chunk = await anext(body, None)
        except TimeoutError:
            raise BadRequest(
                f"Nothing of the request body came for {idle_timeout:g} seconds.", status=408
            ) from None
        if chunk is None:
            break
        received += len(chunk)
        check_limit(received, limit)
        if chunk:
            yield chunk
    if declared is not None and received != declared:
        raise BadRequest(f"The request body has {received} bytes, its Content-Length {declared}.")


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
) -> None:
    """Send an answer whose body is `chunks`; stop reading them when the client leaves.

    The answer begins when the first chunk is there: until then an error can still be answered. With
    a Content-Length among the headers exactly so many bytes must come. When they do not, or
    `chunks` raises, so does this, and the server cuts the connection: the client sees that its copy
    is not whole.
    """
    left = int(headers["Content-Length"]) if "Content-Length" in headers else None
    first = await anext(chunks, b"")
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
    if len(first) == left:
        await send({"type": "http.response.body", "body": first})
    else:
        await _send_more(receive, send, first, chunks, left)


async def _send_more(
    receive: Receive, send: Send, first: bytes, chunks: AsyncIterator[bytes], left: int | None
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
        chunk = first
        while chunk:
            if left is not None:
                left -= len(chunk)
                if left < 0:
                    break
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
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
