"""Uploads of the web UI, relayed to the artifacts service as they arrive."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tandem_metadata.access import rules
from tandem_metadata.artifacts.client import MIN_RATE, STALL_SECONDS, ArtifactClient
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.relaying import credentials
from tandem_metadata.rules import permissions
from tandem_metadata.store.tracking import runs
from tandem_shared import paths
from tandem_shared.auth.grants import Action
from tandem_shared.errors import InvalidParameter
from tandem_shared.http.router import Route, json_response
from tandem_shared.http.transfers import TooSlow, Transfer
from tandem_shared.wire import codec

MAX_BYTES = 10 * 1024 * 1024
"""The longest upload; MLflow's limit."""

_UPDATE = rules.run(permissions.Action.UPDATE)
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class UploadArtifact(Struct):
    """Query of `upload-artifact`."""

    run_uuid: codec.Required
    path: codec.Required


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`upload-artifact`, which MLflow has under `/ajax-api` only, and so does Tandem."""

    async def upload(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), UploadArtifact)
        path = paths.check(query.path)
        await context.check(request, _UPDATE, query)
        _check_head(request)
        location = client.locate(await context.read(runs.artifact_uri, query.run_uuid))
        headers = await credentials(client, request, location, path, Action.WRITE)
        if length := request.headers.get("content-length"):
            headers["content-length"] = length
        with await client.begin() as transfer:
            chunks = _body(request, transfer)
            first = await anext(chunks, b"")
            if not first:
                raise InvalidParameter("The request must specify data: its body is empty.")
            await client.store(location, path, headers, _joined(first, chunks))
        return json_response(b"")  # as MLflow does

    return [Route("POST", "/ajax-api/2.0/mlflow/upload-artifact", upload, _UPDATE)]


def _check_head(request: Request) -> None:
    """Raise InvalidParameter for a body that is announced as too long, or as a form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _FORMS:
        raise InvalidParameter(
            "The request must specify data as its whole body, not in a form; give another "
            "Content-Type than " + kind + ", as application/octet-stream."
        )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BYTES:
        raise _too_large()


async def _body(request: Request, transfer: Transfer) -> AsyncIterator[bytes]:
    """The body as it arrives, without empty chunks.

    Raises InvalidParameter above `MAX_BYTES`, ClientDisconnect if the client leaves, and TooSlow if
    it sends too little; the artifacts service then stores nothing.
    """
    clock = asyncio.get_running_loop().time
    waited, received, more = 0.0, 0, True
    while more:
        began = clock()
        message = await transfer.client(request.receive())
        waited += clock() - began
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        chunk = message.get("body", b"")
        received += len(chunk)
        if received > MAX_BYTES:
            raise _too_large()
        if waited > STALL_SECONDS and received < waited * MIN_RATE:
            raise TooSlow(f"The body came at less than {MIN_RATE} bytes a second.")
        if chunk:
            yield chunk


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _too_large() -> InvalidParameter:
    return InvalidParameter(
        "Artifact size is too large: an upload through the metadata service has at most 10 MiB. "
        "Log larger files with the MLflow client."
    )
