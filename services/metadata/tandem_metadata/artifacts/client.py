"""Lists and fetches artifacts through the artifacts service, for callers that know only this host.

It calls only the addresses that `artifact_roots` allows, follows no redirect, and waits and reads
no longer than the settings and the bounds below say, whatever is there.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence

import httpx
import msgspec
from msgspec import Struct

from tandem_metadata.artifacts.fair_turns import Turns
from tandem_metadata.artifacts.listing_parser import FileInfo, NoListing, Packed, Reader
from tandem_metadata.artifacts.roots import Location, Roots
from tandem_metadata.settings import Settings
from tandem_shared.errors import (
    ApiError,
    InvalidParameter,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from tandem_shared.http.artifact_headers import RELAYED
from tandem_shared.http.transfers import Transfer, Transfers
from tandem_shared.observability.logs import REQUEST_ID
from tandem_shared.serving import memory

MAX_LISTING_BYTES = 16 * 1024 * 1024
"""The longest listing that is read: some 150,000 files."""

FETCHES = 256
LISTINGS = 16
"""How many artifacts, at most, and listings a worker fetches at once; others wait."""

FETCH_BYTES = 1024 * 1024
"""What passing on an artifact takes of memory."""

STALL_SECONDS = 60.0
LEAST_RATE = 4096
"""How long a client may take in nothing of an artifact; how many bytes a second it must take in."""

_QUEUE_SECONDS = 10.0
_CHUNK_BYTES = 256 * 1024
_HEADER_ENCODING = "latin-1"  # Starlette's: bytes go through this service as they came
_log = logging.getLogger(__name__)


class _Error(Struct):
    error_code: str = ""


class ArtifactClient:
    """Calls the artifacts service over two pools of connections.

    Listings have their own: they are short, and must not wait for those who download.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError for settings about artifacts that cannot work."""
        self.roots = Roots(settings)
        self._timeout = settings.artifacts_timeout
        self._listings = _pool(LISTINGS, self._timeout)
        places = _places(settings)
        self._fetches = _pool(places, self._timeout)
        self._transfers = Transfers(
            places=places, memory=places * FETCH_BYTES, least_rate=LEAST_RATE
        )
        self._turns = Turns()

    def locate(self, artifact_uri: str) -> Location:
        """Where an artifact URI leads; raises as `Roots.locate` does."""
        return self.roots.locate(artifact_uri)

    async def list(self, location: Location, path: str, headers: Mapping[str, str]) -> Packed:
        """Entries one level below `path`, each with its path from the artifact root.

        Nothing for a path that is a file or does not exist. Raises InvalidParameter for more than
        `MAX_LISTING_BYTES`, PermissionDenied when the artifacts service refuses, and Unavailable
        when it does not answer.
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
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unreachable(location, error) from error
        except NoListing as error:
            raise Unavailable("The artifacts service answered with something else.") from error
        if response.status_code == httpx.codes.NOT_FOUND and _says_missing(body):
            return Packed()
        if response.status_code == httpx.codes.NOT_FOUND:
            raise _unexpected(response.status_code)
        raise _refusal(response.status_code, path)

    async def _entries(self, response: httpx.Response, path: str) -> Packed:
        """What a listing has, packed as it comes."""
        reader, found = Reader(), Packed()
        async for chunk in _bounded(response):
            await self._turns.wait()
            found.add(_below(path, reader.feed(chunk)))
        found.add(_below(path, reader.end()))
        return found

    async def unpacked(self, listing: Packed) -> AsyncIterator[bytes]:
        """All that `list` gave, in small parts that leave the event loop to others between."""
        for part in listing.unpacked():
            await self._turns.wait()
            yield part

    async def begin(self) -> Transfer:
        """A place for an artifact that is passed on, which the caller ends.

        Raises Unavailable when there is none for long. Clients that are slow make way for others.
        """
        return await self._transfers.begin(FETCH_BYTES, STALL_SECONDS)

    async def open(
        self, location: Location, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Begin to fetch an artifact; the caller streams the body and closes the response.

        Partial and not-modified answers come back as they are. Raises InvalidParameter, NotFound
        and PermissionDenied as the artifacts service answers, and Unavailable when it does not or
        redirects: whoever is there must not choose what this service or the browser asks next.
        """
        request = self._fetches.build_request(
            "GET", location.url(path), headers=_with_request_id({**headers, RELAYED: "1"})
        )
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._fetches.send(request, stream=True)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unreachable(location, error) from error
        if response.status_code not in (200, 206, 304, 416):
            await response.aclose()
            raise _refusal(response.status_code, path)
        response.headers.encoding = _HEADER_ENCODING
        return response

    async def chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """The body of what `open` gave, in small parts that leave the event loop to others between.

        Raises Unavailable when the artifacts service breaks off or pauses for too long.
        """
        chunks = answer.aiter_raw(_CHUNK_BYTES)
        while True:
            await self._turns.wait()
            try:
                chunk = await anext(chunks, None)
            except httpx.HTTPError as error:
                _log.warning("the artifacts service broke off: %r", error)
                raise Unavailable("The artifacts service broke off.") from error
            if chunk is None:
                return
            yield chunk

    async def close(self) -> None:
        """Close all connections."""
        await self._listings.aclose()
        await self._fetches.aclose()


def _places(settings: Settings) -> int:
    """How many artifacts a worker passes on at once; together they take a quarter of the memory."""
    if settings.max_transfers is not None:
        return settings.max_transfers // settings.workers
    fitting = memory.limit() // 4 // FETCH_BYTES // settings.workers
    return max(min(fitting, FETCHES), LISTINGS)


def _pool(connections: int, timeout: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout, pool=min(timeout, _QUEUE_SECONDS)),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        follow_redirects=False,
        trust_env=False,
    )


async def _bounded(response: httpx.Response) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.aiter_raw():  # as it comes: what is packed has no bound
        size += len(chunk)
        if size > MAX_LISTING_BYTES:
            raise InvalidParameter(
                "This directory has too many files to list them here; use the MLflow client."
            )
        yield chunk


def _below(path: str, files: Sequence[FileInfo]) -> Sequence[FileInfo]:
    """The entries of a directory with their paths from where that has its own."""
    for file in files if path else ():
        file.path = f"{path}/{file.path}"
    return files


def _says_missing(body: bytes) -> bool:
    """Whether it is an artifacts service's own 404, and not one of something else there."""
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
    # Callers are not told where it is.
    _log.warning("no answer from %s: %r", location.base, error)
    return Unavailable("The artifacts service does not answer; try again later.")


def _refusal(status: int, path: str) -> ApiError:
    if status == httpx.codes.NOT_FOUND:
        return NotFound(f"No artifact has the path '{path}'.")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return PermissionDenied("The artifacts service refuses this request.", status=status)
    if status == httpx.codes.BAD_REQUEST:
        return InvalidParameter(f"'{path}' is not the path of a file among the artifacts.")
    return _unexpected(status)


def _unexpected(status: int) -> Unavailable:
    return Unavailable(f"The artifacts service answered with HTTP status {status}.")
