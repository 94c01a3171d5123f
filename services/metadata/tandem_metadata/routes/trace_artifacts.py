"""`get-trace-artifact`: the spans of a trace as they are stored, and the files that belong to them.

Clients put attachments, and spans that no server has taken, among the artifacts of a trace. There
is one folder of them for each trace, which its tag says.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import rules
from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.messages.traces import (
    ARTIFACT_LOCATION,
    IN_ARCHIVE,
    IN_DATABASE,
    SPANS_FILE,
    GetTraceArtifact,
    TraceInfo,
)
from tandem_metadata.routes import trace_spans
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.relaying import fetch
from tandem_metadata.routes.trace_spans import Found, archived, documents, streamed
from tandem_metadata.rules.permissions import Action
from tandem_metadata.spans.stored_types import typed
from tandem_metadata.store.traces import load
from tandem_shared import paths
from tandem_shared.auth import grants
from tandem_shared.errors import BadRequest, NotFound, invalid_value
from tandem_shared.http.artifact_headers import SANDBOX, disposition
from tandem_shared.http.router import Route
from tandem_shared.wire import codec

_ATTACHMENTS: Final = "attachments"
_ATTACHMENT: Final = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_READ: Final = rules.trace(Action.READ)

_HEADERS: Final = {
    "content-type": "text/plain; charset=utf-8",
    "content-disposition": disposition(SPANS_FILE),
    "content-security-policy": SANDBOX,
    "x-content-type-options": "nosniff",
}


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """MLflow has them below `/ajax-api` only, and so has Tandem."""

    async def get(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), GetTraceArtifact)
        if not query.request_id:
            raise BadRequest(
                "Missing value for required parameter 'request_id'. Request must include the "
                '"request_id" query parameter.'
            )
        if query.path:
            path = _attachment(query.path)
            await context.check(request, _READ, query)
            info = await context.read(load.info, query.request_id)
            return await _file(request, info, path)
        await context.check(request, _READ, query)
        found = await context.read(trace_spans.find, query.request_id, query)
        if found.location == IN_ARCHIVE:
            raise archived(query.request_id)
        if found.outline or found.location == IN_DATABASE:
            headers = _HEADERS | trace_spans.counted(found, query)
            return await streamed(_stored(context, found), headers)
        return await _file(request, found.info, SPANS_FILE)

    async def _file(request: Request, info: TraceInfo, path: str) -> Response:
        uri = info.tags.get(ARTIFACT_LOCATION)
        if not uri:
            raise NotFound(f"Trace '{info.trace_id}' has no artifacts: '{path}' is not found.")
        if context.gate:
            # Whoever may write to a trace may set the tag: it must not open what he cannot read.
            location = client.locate(uri)
            await context.gate.artifact_grant(location.canonical(path), grants.Action.READ)
        return await fetch(client, request, uri, path)

    return [
        Route("GET", f"/ajax-api/{version}/mlflow/get-trace-artifact", get, _READ)
        for version in ("2.0", "3.0")
    ]


def _attachment(name: str) -> str:
    """The path of an attachment among a trace's artifacts; raises InvalidParameter."""
    if not _ATTACHMENT.fullmatch(paths.check(name)):
        raise invalid_value(
            "path", name, "Attachment path must be a valid UUID, in lower case and with dashes"
        )
    return f"{_ATTACHMENTS}/{name}"


async def _stored(context: Context, found: Found) -> AsyncIterator[bytes]:
    yield b'{"spans":['
    before = b""
    async for part in documents(context, found, _as_stored):
        yield before + part
        before = b","
    yield b"]}"


def _as_stored(stored: Sequence[str]) -> bytes:
    return ",".join(map(typed, stored)).encode()
