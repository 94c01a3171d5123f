"""Endpoints that read traces with their spans.

A trace may have tens of thousands of spans. They are read, made into answers and sent in parts, so
that an answer takes the memory of a part, and neither the event loop nor a connection for longer.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages.traces import (
    IN_ARCHIVE,
    IN_DATABASE,
    SPANS_LOCATION,
    BatchGetTraces,
    GetTrace,
    SomeSpans,
    TraceInfo,
)
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.traces import readable_infos
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Readable
from tandem_metadata.spans import wire
from tandem_metadata.spans.document import Unreadable
from tandem_metadata.store.traces import load, spans
from tandem_metadata.store.traces.spans import StoredSpan
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import NotFound
from tandem_shared.http.router import Route, api_routes
from tandem_shared.observability.logs import RARELY
from tandem_shared.wire import codec

WAIT_SECONDS: Final = 3.0
"""How long a request waits for spans that a trace's client has announced."""

ALL_SPANS: Final = "x-tandem-spans"
"""The header of an answer to `max_spans`: how many spans the trace has."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
_READ: Final = rules.trace(Action.READ)
_JSON: Final = {"content-type": "application/json"}

_AT_ONCE: Final = 32 * 1024
"""Bytes of spans that are converted in the event loop, in less time than a thread costs."""

_converting = Threads("spans", 1)
"""One thread: conversion is Python's own work, of which there is never more than one at a time."""

_log = logging.getLogger(__name__)


class Found:
    """A trace with what is stored of its spans."""

    def __init__(self, info: TraceInfo, outline: Sequence[StoredSpan]) -> None:
        self.info = info
        self.outline = outline
        self.asked = outline
        """Those that the answer has."""
        self.size = sum(each.size for each in outline)
        """Bytes of all documents."""
        self.documents: Mapping[str, str] | None = None
        """Those of all spans by their ids, if they are short enough to have been read at once."""

    @property
    def is_complete(self) -> bool:
        """Whether all spans are there that its client has announced."""
        return len(self.outline) >= spans.announced(self.info)

    @property
    def location(self) -> str | None:
        """What the trace says of where its spans are."""
        return self.info.tags.get(SPANS_LOCATION)


def routes(context: Context) -> list[Route]:
    """`traces/get` and `traces/batchGet`."""

    async def get(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), GetTrace)
        await context.check(request, _READ, query)
        found = await context.read(find, query.trace_id, query)
        if found.location == IN_ARCHIVE:
            raise archived(query.trace_id)
        if not query.allow_partial:
            found = await _complete(context, found, query)
        context.withhold([found.info])
        parts = _trace(context, found, b'{"trace":', b"}")
        return await streamed(parts, _JSON | counted(found, query))

    async def batch_get(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), BatchGetTraces)
        readable = await context.readable(permissions.EXPERIMENT, permissions.TRACE)
        found = await context.read(_find_all, query, readable)
        context.withhold([each.info for each in found])
        return await streamed(_traces(context, found), _JSON)

    return [
        *api_routes("GET", "3.0/mlflow/traces/get", get, _READ),
        *api_routes("GET", "3.0/mlflow/traces/batchGet", batch_get, rules.LISTED),
    ]


def find(conn: Connection, trace_id: str, query: SomeSpans) -> Found:
    """A trace with what is stored of its spans; raises NotFound."""
    infos = load.infos(conn, [trace_id])
    if not infos:
        raise NotFound(f"Trace with ID {trace_id} is not found.")
    found = Found(infos[0], spans.outlines(conn, [trace_id]).get(trace_id, []))
    skip, most = query.skip_spans, query.max_spans
    if most is None or (most >= len(found.outline) and not skip):
        _read_short(conn, [found])
    else:
        found.asked = spans.some(conn, trace_id, found.outline, skip, most)
    return found


def counted(found: Found, query: SomeSpans) -> dict[str, str]:
    """What the header of an answer says to who asks for some spans."""
    return {} if query.max_spans is None else {ALL_SPANS: str(len(found.outline))}


def archived(trace_id: str) -> NotFound:
    """The error for spans that MLflow's server has archived."""
    return NotFound(
        f"The spans of trace '{trace_id}' are not found here: MLflow's server has moved them to an "
        "archive, which this server does not read. The tag mlflow.trace.archiveLocation says where "
        "they are."
    )


def _find_all(conn: Connection, query: BatchGetTraces, readable: Readable | None) -> list[Found]:
    infos = readable_infos(conn, query.trace_ids, query.experiment_ids, readable)
    outlines = spans.outlines(conn, [each.trace_id for each in infos])
    all_found = (Found(each, outlines.get(each.trace_id, [])) for each in infos)
    complete = [each for each in all_found if each.is_complete]
    _read_short(conn, complete)
    return complete


def _read_short(conn: Connection, found: Sequence[Found]) -> None:
    """Read the spans of traces that are short, together no more than a part."""
    left = spans.PART_BYTES
    chosen = []
    for each in found:
        if each.outline and each.size <= left:
            left -= each.size
            chosen.append(each)
    if chosen:
        documents = spans.whole(conn, [each.info.trace_id for each in chosen])
        for each in chosen:
            each.documents = documents[each.info.trace_id]


async def _complete(context: Context, found: Found, query: GetTrace) -> Found:
    """The trace once all its spans are there, for which nothing is held meanwhile.

    Raises NotFound if they are not after `WAIT_SECONDS`, or if there will be none.
    """
    trace_id = found.info.trace_id
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    pause = _FIRST_PAUSE
    while not found.is_complete:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise NotFound(
                f"Trace with ID {trace_id} is not fully exported yet: {len(found.outline)} of "
                f"{spans.announced(found.info)} spans have come. Try again later, or ask with "
                "allow_partial=true for those that have."
            )
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
        if await context.read(spans.count, trace_id) != len(found.outline):
            found = await context.read(find, trace_id, query)
    if not found.outline and found.location != IN_DATABASE:
        raise NotFound(
            f"The spans of trace '{trace_id}' are not found in the database: its client keeps them "
            "as the file traces.json of the trace, which get-trace-artifact returns."
        )
    return found


async def _trace(
    context: Context, found: Found, head: bytes = b"", tail: bytes = b""
) -> AsyncIterator[bytes]:
    yield head + b'{"trace_info":' + codec.encode_json(found.info)
    before = b',"spans":['
    async for part in documents(context, found, converted):
        yield before + part
        before = b","
    yield (b"}" if before != b"," else b"]}") + tail


async def _traces(context: Context, found: Sequence[Found]) -> AsyncIterator[bytes]:
    if not found:
        yield b"{}"
        return
    head = b'{"traces":['
    for each in found:
        async for part in _trace(context, each, head):
            yield part
        head = b","
    yield b"]}"


async def documents(
    context: Context, found: Found, make: Callable[[Sequence[str]], bytes]
) -> AsyncIterator[bytes]:
    """The spans of a trace in parts, as `make` writes each from stored documents."""
    for ids in spans.parts(found.asked):
        if found.documents is None:
            stored = await context.read(spans.documents, found.info.trace_id, ids)
        else:
            stored = [content for each in ids if (content := found.documents.get(each))]
        if found.size <= _AT_ONCE:
            made = make(stored)
        else:
            made = await _converting.run(make, stored)
        if made:
            yield made


def converted(stored: Sequence[str]) -> bytes:
    """Spans as OTLP has them, from stored documents; what is none of a span is left out."""
    made = []
    for each in stored:
        try:
            made.append(bytes(wire.encode(each)))
        except Unreadable as error:  # the other spans of the trace are still worth reading
            _log.warning("a stored span cannot be read: %s", error, extra=RARELY)
    return b",".join(made)


async def streamed(parts: AsyncIterator[bytes], headers: dict[str, str]) -> Response:
    """An answer of these parts: sent as one if they are short, and else as they come."""
    first: list[bytes] = []
    size = 0
    async for part in parts:
        first.append(part)
        size += len(part)
        if size > spans.PART_BYTES:
            break
    else:
        return Response(b"".join(first), headers=headers)

    async def body() -> AsyncIterator[bytes]:
        yield b"".join(first)
        first.clear()
        async for part in parts:
            yield part

    return StreamingResponse(body(), headers=headers)
