"""The HTTP client of the artifacts service, for callers that know only the metadata service.

It calls only the addresses that `roots` allows and follows no redirect. Settings and the bounds
below limit how long it waits and how much it reads.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Mapping, Sequence
from typing import Protocol

import httpx
import msgspec
from msgspec import Struct

from tandem_metadata.artifacts.fair_turns import FairTurns
from tandem_metadata.artifacts.listing_parser import (
    CompressedEntries,
    FileInfo,
    ListingParser,
    MalformedListing,
)
from tandem_metadata.artifacts.roots import Location, Roots
from tandem_metadata.settings import Settings
from tandem_shared.auth.grants import Action
from tandem_shared.errors import (
    ApiError,
    BadRequest,
    InvalidParameter,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from tandem_shared.http.artifact_headers import RELAYED
from tandem_shared.http.transfers import Transfer, Transfers
from tandem_shared.observability.logs import RARELY, REQUEST_ID
from tandem_shared.serving import memory
from tandem_shared.tls import client_side
from tandem_shared.tls.renewal import RenewedContext

MAX_LISTING_BYTES = 16 * 1024 * 1024
"""The longest listing read, about 150,000 files."""

MAX_FETCHES = 256
"""Artifacts that a worker relays at once, in either direction; further requests wait."""

MAX_LISTINGS = 16
"""Listings that a worker fetches at once; further requests wait."""

FETCH_BYTES = 1024 * 1024
"""Memory reserved for each artifact that is relayed."""

STALL_SECONDS = 60.0
"""How long a client of a relayed artifact may read nothing."""

MIN_RATE = 4096
"""Bytes a second that a client of a relayed artifact must read."""

_POOL_WAIT_SECONDS = 10.0
_CHUNK_BYTES = 256 * 1024
_NO_ANSWER = (httpx.HTTPError, ssl.SSLError)
"""httpx lets errors of TLS through, such as the other side's refusal of our certificate."""
_HEADER_ENCODING = "latin-1"  # as in Starlette: header bytes pass unchanged
_log = logging.getLogger(__name__)


class Token(Protocol):
    """Signs a grant on what is at a canonical path, and below it unless `exact`."""

    def __call__(self, path: str, action: Action, *, exact: bool = ...) -> Awaitable[str]: ...


class _Error(Struct):
    error_code: str = ""


class ArtifactClient:
    """Calls the artifacts service over two connection pools.

    Listings have a pool of their own, because a short listing must not wait for downloads.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError for settings about artifacts that cannot work."""
        self.roots = Roots(settings)
        self._timeout = settings.artifacts_timeout
        self._tls = tls_context(settings)
        self._following: asyncio.Task[None] | None = None
        self._listings = _pool(MAX_LISTINGS, self._timeout, self._tls)
        places = _max_fetches(settings)
        self._fetches = _pool(places, self._timeout, self._tls)
        self._transfers = Transfers(places=places, memory=places * FETCH_BYTES, least_rate=MIN_RATE)
        self._turns = FairTurns()
        self.token: Token | None = None
        """Signs grants for the user of the request under way; None where nobody is authenticated.

        Set before the first request."""

    def locate(self, artifact_uri: str) -> Location:
        """The location of an artifact URI; raises as `Roots.locate` does."""
        return self.roots.locate(artifact_uri)

    async def list(
        self, location: Location, path: str, headers: Mapping[str, str]
    ) -> CompressedEntries:
        """Entries one level below `path`, each with its path from the artifact root.

        The result is empty if `path` is a file or does not exist. Raises InvalidParameter above
        `MAX_LISTING_BYTES`, PermissionDenied if the artifacts service refuses, and Unavailable if
        it does not answer.
        """
        below = "/".join(part for part in (location.root, path) if part)
        request = self._listings.build_request(
            "GET",
            location.base,
            params={"path": below} if below else {},
            headers=_with_request_id(headers),
        )
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._listings.send(request, stream=True)
                try:
                    if response.status_code == httpx.codes.OK:
                        return await self._entries(response, path)
                    body = b"".join([chunk async for chunk in _bounded(response)])
                finally:
                    await response.aclose()
        except (*_NO_ANSWER, TimeoutError) as error:
            raise _unreachable(location, error) from error
        except MalformedListing as error:
            raise Unavailable("The artifacts service answered with something else.") from error
        if response.status_code == httpx.codes.NOT_FOUND and _says_missing(body):
            return CompressedEntries()
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _unexpected(response.status_code)
        raise _refusal(response.status_code, path)

    async def _entries(self, response: httpx.Response, path: str) -> CompressedEntries:
        """The entries of a listing, compressed chunk by chunk."""
        parser, found = ListingParser(), CompressedEntries()
        async for chunk in _bounded(response):
            await self._turns.wait()
            found.add(_below(path, parser.feed(chunk)))
        found.add(_below(path, parser.end()))
        return found

    async def decompressed(self, listing: CompressedEntries) -> AsyncIterator[bytes]:
        """The JSON of the entries that `list` returned, in parts; once only.

        Each part takes a turn of `FairTurns`, so that other requests run in between.
        """
        for part in listing.decompressed():
            await self._turns.wait()
            yield part

    async def begin(self) -> Transfer:
        """Reserve a place for a relayed artifact; the caller must call `end` on it.

        Raises Unavailable if no place gets free in time. The slowest clients lose their places.
        """
        return await self._transfers.begin(FETCH_BYTES, STALL_SECONDS)

    async def open(
        self, location: Location, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Send the request for an artifact; the caller streams the body and closes the response.

        Answers 200, 206, 304 and 416 are returned unchanged. A 400 raises InvalidParameter, a 404
        NotFound, a 401 or 403 PermissionDenied, and any other answer, or none, Unavailable. A
        redirect is refused too: the other side must not choose the address that this service or
        the browser calls next.
        """
        request = self._fetches.build_request(
            "GET", location.url(path), headers=_with_request_id({**headers, RELAYED: "1"})
        )
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._fetches.send(request, stream=True)
        except (*_NO_ANSWER, TimeoutError) as error:
            raise _unreachable(location, error) from error
        if response.status_code not in (200, 206, 304, 416):
            await response.aclose()
            raise _refusal(response.status_code, path)
        response.headers.encoding = _HEADER_ENCODING
        return response

    async def chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """The body of the response that `open` returned, in chunks of at most 256 KiB.

        Each chunk takes a turn of `FairTurns`, so that other requests run in between. Raises
        Unavailable if the artifacts service breaks off or sends nothing for too long.
        """
        chunks = answer.aiter_raw(_CHUNK_BYTES)
        while True:
            await self._turns.wait()
            try:
                chunk = await anext(chunks, None)
            except _NO_ANSWER as error:
                _log.warning("the artifacts service broke off: %r", error, extra=RARELY)
                raise Unavailable("The artifacts service broke off.") from error
            if chunk is None:
                return
            yield chunk

    async def store(
        self,
        location: Location,
        path: str,
        headers: Mapping[str, str],
        content: bytes | AsyncIterable[bytes],
    ) -> None:
        """Send an artifact, of which the artifacts service stores all or nothing.

        The caller holds a place of `begin`. Raises what `content` raises; InvalidParameter if no
        file can be at `path`, PermissionDenied if the artifacts service refuses, BadRequest (413)
        if the artifact is too large for it, and Unavailable for any other answer, or none (with the
        status 507 if the store is full).
        """
        request = self._fetches.build_request(
            "PUT", location.url(path), content=content, headers=_with_request_id(headers)
        )
        try:
            response = await self._fetches.send(request, stream=True)
            try:
                async for _ in _bounded(response):  # to its end, so that the connection is reused
                    pass
            finally:
                await response.aclose()
        except _NO_ANSWER as error:
            raise _unreachable(location, error) from error
        if response.status_code != httpx.codes.OK:
            raise _refusal_to_store(response.status_code, path)

    async def delete(self, location: Location, path: str, headers: Mapping[str, str]) -> None:
        """Delete an artifact, or a directory with all below it; raises as `store` does."""
        request = self._fetches.build_request(
            "DELETE", location.url(path), headers=_with_request_id(headers)
        )
        try:
            response = await self._fetches.send(request, stream=True)
            await response.aclose()
        except _NO_ANSWER as error:
            raise _unreachable(location, error) from error
        if response.status_code not in (httpx.codes.OK, httpx.codes.NOT_FOUND):
            raise _refusal_to_store(response.status_code, path)

    def start(self) -> None:
        """Follow renewed certificates, until `close`."""
        if self._tls:
            self._following = asyncio.get_running_loop().create_task(self._tls.follow())

    async def close(self) -> None:
        """Close all connections."""
        if self._following:
            self._following.cancel()
        await self._listings.aclose()
        await self._fetches.aclose()


def tls_context(settings: Settings) -> RenewedContext | None:
    """What is trusted and presented by HTTPS; raises SettingsError for files of no use."""
    return client_side.context(
        "artifacts",
        authorities=settings.artifacts_ca,
        certificate=settings.artifacts_cert,
        key=settings.artifacts_key,
    )


def _max_fetches(settings: Settings) -> int:
    """Artifacts that a worker relays at once: by the setting, else a quarter of the memory."""
    if settings.max_transfers is not None:
        return settings.max_transfers // settings.workers
    fitting = memory.limit() // 4 // FETCH_BYTES // settings.workers
    return max(min(fitting, MAX_FETCHES), MAX_LISTINGS)


def _pool(connections: int, timeout: float, context: ssl.SSLContext | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=context or client_side.usual(),
        timeout=httpx.Timeout(timeout, pool=min(timeout, _POOL_WAIT_SECONDS)),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        trust_env=False,
    )


async def _bounded(response: httpx.Response) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.aiter_raw():  # raw: a small compressed body can decode to any size
        size += len(chunk)
        if size > MAX_LISTING_BYTES:
            raise InvalidParameter(
                "This directory has too many files to list them here; use the MLflow client."
            )
        yield chunk


def _below(path: str, files: Sequence[FileInfo]) -> Sequence[FileInfo]:
    """The same entries, with `path` put before their own paths."""
    for file in files if path else ():
        file.path = f"{path}/{file.path}"
    return files


def _says_missing(body: bytes) -> bool:
    """Whether a 404 is the artifacts service's own, not one of a proxy or another server."""
    try:
        return msgspec.json.decode(body, type=_Error).error_code == NotFound.code
    except msgspec.DecodeError:
        return False


def _with_request_id(headers: Mapping[str, str]) -> httpx.Headers:
    own = {"X-Request-Id": REQUEST_ID.get(), "Accept-Encoding": "identity"}
    return httpx.Headers({**headers, **own}, encoding=_HEADER_ENCODING)


def _unreachable(location: Location, error: Exception) -> Unavailable:
    if isinstance(error, httpx.PoolTimeout):
        return Unavailable("Too many artifacts are being fetched; try again later.")
    # The address goes to the log only; clients must not learn it.
    _log.warning("no answer from %s: %r", location.base, error, extra=RARELY)
    return Unavailable("The artifacts service does not answer; try again later.")


def _refusal(status: int, path: str) -> ApiError:
    if status == httpx.codes.NOT_FOUND:
        return NotFound(f"No such artifact: '{path}'.")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return PermissionDenied("The artifacts service refuses this request.", status=status)
    if status == httpx.codes.BAD_REQUEST:
        return InvalidParameter(
            f"Artifact path refers to a directory, not a file: '{path}', or is no path at all."
        )
    return _unexpected(status)


def _refusal_to_store(status: int, path: str) -> ApiError:
    if status == httpx.codes.BAD_REQUEST:
        return InvalidParameter(
            f"No artifact can be stored at '{path}'; give the path of a file, which is no "
            "directory and not below a file."
        )
    if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
        return BadRequest("The artifact is larger than the artifacts service allows.", status=413)
    if status == httpx.codes.INSUFFICIENT_STORAGE:
        return Unavailable(
            "The artifacts service has no room left; nothing was stored.", status=507
        )
    if status == httpx.codes.NOT_FOUND:  # a file that is not there yet is none
        return _unexpected(status)
    return _refusal(status, path)


def _unexpected(status: int) -> Unavailable:
    return Unavailable(f"The artifacts service answered with HTTP status {status}.")
