"""Listings and files of artifact roots, relayed from the artifacts service to browsers.

Each file is sent as a sandboxed attachment, whatever headers the artifacts service gave it. No
browser runs it as a page or script of this host.
"""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.artifacts.listing_parser import CompressedEntries
from tandem_metadata.artifacts.roots import Location
from tandem_shared.auth.grants import HEADER, PARAMETER, Action
from tandem_shared.http.artifact_headers import SANDBOX, disposition
from tandem_shared.http.router import json_response
from tandem_shared.http.transfers import Transfer
from tandem_shared.wire import codec

REDIRECTED: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Headers of a redirect to a URL that may hold a grant."""

_PASSED_ON = ("range", "if-range", "if-none-match")
_PASSED_BACK = (
    "accept-ranges", "cache-control", "content-encoding", "content-length", "content-range",
    "etag", "last-modified",
)  # fmt: skip
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_SCRIPT = re.compile(r"script|wasm")


async def listing(client: ArtifactClient, request: Request, uri: str, path: str) -> Response:
    """The files and directories one level below a path of an artifact root.

    Raises InvalidParameter or PermissionDenied for a root that this service does not follow, and
    otherwise as the artifacts service answers.
    """
    files = await entries(client, request, uri, path)
    head = b'{"root_uri":' + codec.encode_json(uri)
    if not files.size:
        return json_response(head + b"}")
    head, tail = head + b',"files":[', b"]}"

    async def body() -> AsyncIterator[bytes]:
        yield head
        async for part in client.decompressed(files):
            yield part
        yield tail

    length = len(head) + files.size + len(tail)
    headers = {"content-length": str(length), "content-type": "application/json"}
    return StreamingResponse(body(), headers=headers)


async def entries(
    client: ArtifactClient, request: Request, uri: str, path: str
) -> CompressedEntries:
    """What `listing` answers with; raises as it does."""
    location = client.locate(uri)
    headers = await _headers(client, request, location, path)
    return await client.list(location, path, headers)


async def fetch(client: ArtifactClient, request: Request, uri: str, path: str) -> Response:
    """An artifact below a root: relayed, or with --redirect-artifacts-to a redirect to it.

    Raises as `listing` does, and NotFound for a missing artifact.
    """
    location = client.locate(uri)
    url = location.redirect_url(path)
    if url is not None:
        if client.token:  # the browser has no credentials for that host
            token = await client.token(location.canonical(path), Action.READ, exact=True)
            url = f"{url}?{PARAMETER}={token}"
        return RedirectResponse(url, 302, REDIRECTED)
    return await relay(client, request, uri, path)


async def relay(client: ArtifactClient, request: Request, uri: str, path: str) -> Response:
    """An artifact below a root, streamed from the artifacts service; raises as `fetch` does."""
    location = client.locate(uri)
    transfer = await client.begin()
    try:
        headers = await _headers(client, request, location, path)
        response = await client.open(location, path, headers)
    except BaseException:
        transfer.end()
        raise
    headers = {name: response.headers[name] for name in _PASSED_BACK if name in response.headers}
    headers |= {
        "content-type": safe_type(response.headers.get("content-type", "")),
        "content-disposition": disposition(path),
        "content-security-policy": SANDBOX,
        "x-content-type-options": "nosniff",
    }
    if request.method == "HEAD":  # the body will not be read
        transfer.end()
        await response.aclose()
    return _Relayed(client, response, headers, transfer)


def safe_type(given: str) -> str:
    """The Content-Type to pass on; `text/plain` for types that a page could run as a script."""
    kind = given.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or "," in given:  # browsers take the last of several
        return "application/octet-stream"
    if _SCRIPT.search(kind):
        return "text/plain"
    return given


class _Relayed(StreamingResponse):
    """An answer of the artifacts service, relayed as it comes.

    Its end frees the connection and the transfer, also if the client leaves before the first byte
    or reads too slowly. If the artifacts service fails midway, the answer is broken off, so that
    the client sees that its copy is incomplete.
    """

    def __init__(
        self,
        client: ArtifactClient,
        answer: httpx.Response,
        headers: Mapping[str, str],
        transfer: Transfer,
    ) -> None:
        super().__init__(client.chunks(answer), answer.status_code, headers)
        self._answer = answer
        self._transfer = transfer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            await self._transfer.client(send(message), len(message.get("body", b"")))

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            self._transfer.end()
            await self._answer.aclose()


async def credentials(
    client: ArtifactClient, request: Request, location: Location, path: str, action: Action
) -> dict[str, str]:
    """The headers by which the artifacts service knows the caller.

    Where this service authenticates him, that is a grant for what is at and below the path: it does
    as well for those who come without a password, and the password goes nowhere. Otherwise the
    caller's own credentials are passed on, for a proxy in front of the artifacts service. Cookies
    belong to the host that the caller called, and are sent to that host only.
    """
    if client.token:
        return {HEADER: await client.token(location.canonical(path), action)}
    headers = {}
    if authorization := request.headers.get("authorization"):
        headers["authorization"] = authorization
    if location.host and location.host == request.headers.get("host", "").lower():
        if cookie := request.headers.get("cookie"):
            headers["cookie"] = cookie
    return headers


async def _headers(
    client: ArtifactClient, request: Request, location: Location, path: str
) -> dict[str, str]:
    """The headers of a download that the artifacts service needs."""
    conditions = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
    return conditions | await credentials(client, request, location, path, Action.READ)
