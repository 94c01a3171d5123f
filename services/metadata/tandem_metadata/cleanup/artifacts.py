"""Deletes and measures the files of what is deleted for good, through the artifacts service alone.

Only folders that are a thing's own are touched: those whose path names it. Artifact locations come
from clients, and one that names a whole destination must not lead to its deletion.
"""

import asyncio
import os
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import httpx
import msgspec
from msgspec import Struct

from tandem_metadata.artifacts.client import tls_context
from tandem_metadata.artifacts.listing_parser import FileInfo, ListingParser, MalformedListing
from tandem_metadata.artifacts.roots import Location, Roots
from tandem_metadata.cleanup.items import Item, Kind
from tandem_metadata.settings import Settings
from tandem_shared.auth import grants
from tandem_shared.errors import ApiError, NotFound
from tandem_shared.tls import client_side

AT_ONCE: Final = 4
"""Requests to artifacts services at a time."""

ATTEMPTS: Final = 3
"""Of a request that is answered 5xx, or not in time."""

TOKEN: Final = "MLFLOW_TRACKING_TOKEN"
USERNAME: Final = "MLFLOW_TRACKING_USERNAME"
PASSWORD: Final = "MLFLOW_TRACKING_PASSWORD"

_PAUSES: Final = (0.5, 2.0)  # seconds before the second and the third attempt
_DELETE_TIMES: Final = 10
"""Times the timeout of a listing: a folder may hold 100,000 objects."""

_SILENT_AT_MOST: Final = 4
"""Requests in a row that a service does not answer at all, after which it is asked no more."""

_CONNECT_SECONDS: Final = 10.0
_PARENTS: Final = 16
_AGAIN: Final = frozenset({429})
_NO_ANSWER: Final = (httpx.HTTPError, ssl.SSLError)


class NotServed(Exception):
    """Files lie where no artifacts service is known to reach, or not in a folder of their own."""


class Failed(Exception):
    """An artifacts service refused, or did not answer."""


class Size(NamedTuple):
    """What is below a folder."""

    files: int
    bytes: int


class Grants(Protocol):
    """Makes headers that let the command in; of one process."""

    def __call__(self) -> Awaitable[Mapping[str, str]]: ...


async def credentials() -> Mapping[str, str]:
    """The headers that MLflow's clients send, by their variables; empty without any."""
    if token := os.environ.get(TOKEN):
        return {"Authorization": f"Bearer {token}"}
    user, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if user and password:
        request = next(httpx.BasicAuth(user, password).auth_flow(httpx.Request("GET", "http://x")))
        return {"Authorization": request.headers["Authorization"]}
    return {}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder on an artifacts service."""

    location: Location
    parent: str
    """"" for the destination itself."""
    name: str

    @property
    def path(self) -> str:
        """Below the destination."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


class _Error(Struct):
    error_code: str = ""
    message: str = ""


class Folders:
    """Calls artifacts services; the event loop calls all methods."""

    def __init__(self, settings: Settings, roots: Roots, headers: Grants) -> None:
        """Raises SettingsError for certificates of no use."""
        self._roots = roots
        self._headers = headers
        self._timeout = settings.artifacts_timeout
        self._client = httpx.AsyncClient(
            verify=tls_context(settings) or client_side.usual(),
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            follow_redirects=False,
            trust_env=False,
        )
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._silent: dict[str, int] = {}
        self._parents: OrderedDict[tuple[str, str], asyncio.Task[frozenset[str]]] = OrderedDict()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    def of(self, item: Item) -> list[Folder]:
        """The folders that are a thing's own; raises NotServed, with a reason."""
        return [self._folder(item, each) for each in item.locations]

    def _folder(self, item: Item, uri: str) -> Folder:
        try:
            location = self._roots.locate(uri)
        except ApiError as error:
            raise NotServed(error.message) from None
        names = location.root.split("/")
        if item.kind is Kind.EXPERIMENT:
            own = len(names) if names[-1] == item.id else 0
        else:
            # As MLflow lays it out: the folder holds `artifacts`, and that alone.
            own = len(names) - names[::-1].index(item.id) if item.id in names else 0
            if names[own:] not in ([], ["artifacts"]):
                own = 0
        if not own:
            raise NotServed(f"its location is no folder of its own: '{uri}'")
        return Folder(location, "/".join(names[: own - 1]), names[own - 1])

    def any_within(self, folder: Folder, others: Iterable[Item]) -> bool:
        """Whether others keep files in a folder, or at a place below it."""
        for location in (location for each in others for location in each.locations):
            path = self._roots.claimed(location)
            if path is not None and f"{path}/".startswith(f"{folder.path}/"):
                return True
        return False

    def look_again(self) -> None:
        """Forget what was there."""
        self._parents.clear()

    async def exists(self, folder: Folder) -> bool:
        """Whether a folder was there when its neighbours were first looked at; raises Failed."""
        key = folder.location.base, folder.parent
        if key not in self._parents:
            if len(self._parents) >= _PARENTS:
                self._parents.popitem(last=False)
            self._parents[key] = asyncio.create_task(self._names(folder.location, folder.parent))
        self._parents.move_to_end(key)
        return folder.name in await asyncio.shield(self._parents[key])

    async def _names(self, location: Location, path: str) -> frozenset[str]:
        return frozenset(
            [each.path.rpartition("/")[2] async for each in self._list(location, path)]
        )

    async def size(self, folder: Folder) -> Size:
        """Files and bytes below a folder; raises Failed."""
        if not await self.exists(folder):
            return Size(0, 0)
        files = size = 0
        left = [folder.location.root]  # one listing less than from the folder that holds it
        while left:
            path = left.pop()
            async for each in self._list(folder.location, path):
                if each.is_dir:
                    left.append(f"{path}/{each.path.rpartition('/')[2]}")
                else:
                    files, size = files + 1, size + (each.file_size or 0)
        return Size(files, size)

    async def delete(self, folder: Folder) -> None:
        """Delete a folder with all below it, if it is there; raises Failed."""
        url = Location(folder.location.base, "").url(folder.path)
        await self._ask("DELETE", url, {}, self._timeout * _DELETE_TIMES, _read_nothing)

    async def _list(self, location: Location, path: str) -> AsyncIterator[FileInfo]:
        found: list[FileInfo] = []

        async def read(response: httpx.Response) -> None:
            found.clear()
            parser = ListingParser()
            async for chunk in response.aiter_raw():
                found.extend(parser.feed(chunk))
            found.extend(parser.end())

        params = {"path": path} if path else {}
        await self._ask("GET", location.base, params, self._timeout, read)
        for each in found:
            yield each

    async def _ask(
        self,
        method: str,
        url: str,
        params: Mapping[str, str],
        seconds: float,
        read: Callable[[httpx.Response], Awaitable[None]],
    ) -> None:
        """Send a request until it is answered, three times at most; raises Failed."""
        host = httpx.URL(url).netloc.decode()
        why = ""
        async with self._turns:
            for attempt in range(ATTEMPTS):
                if self._silent.get(host, 0) >= _SILENT_AT_MOST:
                    raise Failed("the artifacts service does not answer, and is asked no more")
                if attempt:
                    await asyncio.sleep(_PAUSES[attempt - 1])
                try:
                    why = await self._send(method, url, params, seconds, read)
                except (*_NO_ANSWER, TimeoutError) as error:
                    why = f"the artifacts service does not answer: {_told(error)}"
                    if attempt == ATTEMPTS - 1:
                        self._silent[host] = self._silent.get(host, 0) + 1
                else:
                    self._silent[host] = 0
                    if not why:
                        return
        raise Failed(why)

    async def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str],
        seconds: float,
        read: Callable[[httpx.Response], Awaitable[None]],
    ) -> str:
        """Why the request failed where another attempt may help, else nothing; raises Failed."""
        headers = {"Accept-Encoding": "identity", **await self._headers()}
        async with (
            asyncio.timeout(seconds),
            self._client.stream(
                method,
                url,
                params=params,
                headers=headers,
                timeout=httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
            ) as response,
        ):
            status = response.status_code
            if status == httpx.codes.OK:
                try:
                    await read(response)
                except MalformedListing:
                    raise Failed("the artifacts service answered with something else") from None
                return ""
            error = _error(await response.aread())
        if status == httpx.codes.NOT_FOUND and error.error_code == NotFound.code:
            return ""
        why = f"the artifacts service answered {status}: {error.message or 'no reason given'}"
        if status >= 500 or status in _AGAIN:
            return why
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            why += f" (give an administrator's token by {TOKEN}, or --auth as for serve)"
        raise Failed(why)


async def _read_nothing(response: httpx.Response) -> None:
    async for _ in response.aiter_raw():  # to its end, so that the connection is used again
        pass


def _error(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_Error)
    except msgspec.MsgspecError:
        return _Error()


def _told(error: BaseException) -> str:
    return (
        "it timed out" if isinstance(error, TimeoutError | httpx.TimeoutException) else str(error)
    )


def grant_headers(
    sign: Callable[[grants.Grant], Awaitable[str]], clock: Callable[[], float]
) -> Grants:
    """Headers with a grant on all artifacts, signed anew before the last one ends."""
    last: list[tuple[float, str]] = []

    async def headers() -> Mapping[str, str]:
        now = clock()
        if not last or now >= last[0][0]:
            token = await sign(grants.Grant("tandem-metadata gc", "", _NEEDED))
            last[:] = [(now + grants.SECONDS / 2, token)]
        return {grants.HEADER: last[0][1]}

    return headers


_NEEDED: Final = frozenset({grants.Action.READ, grants.Action.DELETE})
