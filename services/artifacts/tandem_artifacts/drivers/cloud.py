"""The driver that Azure and Google share, over a store of obstore.

obstore is documented, and asynchronous: nothing here blocks, so there are no threads. What it lacks
decides three things: `Path` of it takes no control characters, a level is listed all at once, and
nothing signs the parts of an upload. So clients always send and fetch through this service.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import obstore
from obstore.exceptions import BaseError

from tandem_artifacts.drivers import objects
from tandem_artifacts.drivers.base import (
    UNBOUNDED,
    Driver,
    Entry,
    Reading,
    Room,
    Stat,
    refers_to_directory,
)
from tandem_artifacts.drivers.handover import Handover
from tandem_artifacts.drivers.objects import BeyondEnd
from tandem_artifacts.drivers.upload import MAX_PARTS, PART_BYTES, part_bytes
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.errors import ApiError, InvalidParameter, NotFound, PermissionDenied, Unavailable

if TYPE_CHECKING:  # obstore has these for type checkers only.
    from obstore import GetOptions
    from obstore.store import ClientConfig, RetryConfig

PIECE_BYTES = 1024 * 1024
"""What an upload hands to obstore, and a fast download gets of it, at once: each costs a switch
between the event loop and obstore's threads."""

PROBE: Final = ".tandem/ready"
"""A name that is asked for to learn whether the store answers; nothing needs to be there."""

_LONG_BYTES: Final = 8 * PIECE_BYTES
"""Of a shorter object pieces are small: its client may be slow, and nobody waits long for it."""
_SMALL_BYTES: Final = 256 * 1024
_COPIES: Final = 3
"""Pieces in memory: one being sent, its unsent copy in the server's buffer, and the next."""
_RETRY_SECONDS: Final = 180

_STATUS: Final = re.compile(r"\bstatus: (\d{3})\b|\(code: (\d{3})\)")
"""The second is of a deletion, which obstore asks for in batches of Azure."""
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_TOKEN: Final = re.compile(r"TokenRequest|token request|OAuth|TokenResponse", re.IGNORECASE)
_MISSING: Final = frozenset({"ContainerNotFound", "ContainerBeingDeleted", "NoSuchBucket"})
_BAD_PATH: Final = re.compile(r"InvalidPath|BadSegment|IllegalCharacter|illegal character")
_UNTIL_NOW: Final = "Another upload of the same artifact ended first; try again."


def client_options(*, plain_http: bool, ca: bytes | None) -> "ClientConfig":
    """What clients of every store have in common: certificates, and the wait for a connection.

    Proxies come from the environment, as HTTPS_PROXY and NO_PROXY.
    """
    options: ClientConfig = {"connect_timeout": timedelta(seconds=objects.CONNECT_SECONDS)}
    if plain_http:
        options["allow_http"] = True
    if ca is not None:
        options["root_certificate"] = ca
    return options


def reading_options() -> "ClientConfig":
    """Of a client that reads: however long a body takes, but the store may not be silent."""
    return {
        "read_timeout": timedelta(seconds=objects.READ_SECONDS),
        # obstore counts the whole body, 30 seconds if nothing is said; a client may be slow.
        "timeout": timedelta(days=365),
    }


def writing_options(seconds: float | None) -> "ClientConfig":
    """Of a client that writes, by requests of a part each; `seconds` is for one, None for any."""
    return {"timeout": timedelta(days=365) if seconds is None else timedelta(seconds=seconds)}


def retry_options() -> "RetryConfig":
    """How often requests are sent again."""
    return {
        "max_retries": objects.ATTEMPTS - 1,
        "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        "backoff": {
            "base": 2,
            "init_backoff": timedelta(seconds=0.2),
            "max_backoff": timedelta(seconds=5),
        },
    }


class _Told(Exception):
    """What obstore says of a failure, in one line, for the log."""


class Conflict(Unavailable):
    """The object is in a state that rules the request out: 409."""


class CloudStore(Driver):
    """A driver over a container or bucket, or over the part of it below a prefix."""

    write_bytes = PART_BYTES

    def __init__(self, reads: Any, writes: Any, prefix: str, *, credentials: str) -> None:
        """`reads` and `writes` are obstore's stores of the same place, for either kind of request.

        `credentials` is a sentence: which the service has to have.
        """
        self._reads = reads
        self._writes = writes
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._credentials = credentials

    async def check(self) -> None:
        # Below the prefix: the service may have no rights to the rest. A listing would do as well,
        # but obstore asks for no fewer than a page of thousands.
        try:
            with self._translated():
                await obstore.get_async(self._reads, self._key(PROBE))
        except NotFound:
            return

    async def stat(self, path: str) -> Stat:
        try:
            return await self._head(path)
        except NotFound:
            await self._refuse_directory(path)
            raise

    @asynccontextmanager
    async def read(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        *,
        etag: str | None = None,
        room: Room = UNBOUNDED,
    ) -> AsyncIterator[Reading]:
        stat, pieces = await self._open(path, start, length, etag, room)
        try:
            yield Reading(stat, pieces)
        finally:
            pieces.close()

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int | None = None,
        room: Room = UNBOUNDED,
    ) -> None:
        key = self._key(path)
        received: list[bytes] = []
        total = 0
        async for chunk in chunks:
            received.append(chunk)
            total += len(chunk)
            if total > PART_BYTES:
                break
        else:
            whole = b"".join(received)
            received.clear()
            # To its end also after a cancel: what it still does must be over when this returns.
            await shielded(self._put(key, whole, use_multipart=False))
            return
        part = part_bytes(1, size)
        handover = Handover(PIECE_BYTES, MAX_PARTS * part)
        sending = self._put(
            key,
            handover,
            use_multipart=True,
            chunk_size=part,
            max_concurrency=2 if room.hold(_COPIES * part) else 1,
        )
        await handover.give(received, chunks, sending)

    async def list(self, path: str) -> AsyncIterator[Entry]:
        below = self._below(path)
        with self._translated():
            found = await obstore.list_with_delimiter_async(self._reads, below or None)
        entries = [
            *_entries(((each["path"], each["size"]) for each in found["objects"]), below),
            *_entries(((each, None) for each in found["common_prefixes"]), below),
        ]
        del found
        entries.sort(key=lambda entry: entry.path)
        for entry in entries:
            yield entry

    async def delete(self, path: str) -> None:
        with self._translated():
            pages = obstore.list(
                self._reads, self._below(path) or None, chunk_size=objects.PAGE_ENTRIES
            )
            async for page in pages:
                await self._delete_all([each["path"] for each in page])
        if path:
            await self._delete_one(self._key(path))

    async def _put(self, key: str, body: "bytes | Handover", **options: Any) -> None:
        with self._translated():
            await obstore.put_async(
                self._writes,
                key,
                body,
                attributes={"Content-Type": objects.content_type(key)},
                **options,
            )

    async def _delete_all(self, keys: Sequence[str]) -> None:
        try:
            with self._translated():
                await obstore.delete_async(self._writes, keys)
        except NotFound:  # Somebody else deletes here too; which are left is not told.
            for key in keys:
                await self._delete_one(key)

    async def _delete_one(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        try:
            with self._translated():
                await obstore.delete_async(self._writes, key)
        except NotFound:
            return

    async def _directories(self, key: str) -> Sequence[str]:
        """The keys of the directories in a directory."""
        with self._translated():
            found = await obstore.list_with_delimiter_async(self._reads, f"{key}/")
        return found["common_prefixes"]

    def _key(self, path: str) -> str:
        return self._prefix + path

    def _below(self, path: str) -> str:
        return f"{self._prefix}{path}/" if path else self._prefix

    async def _head(self, path: str) -> Stat:
        with self._translated():
            # Not `head_async`, which tells no Content-Encoding.
            found = await obstore.get_async(self._reads, self._key(path), options={"head": True})
        return _stat(found)

    async def _open(
        self, path: str, start: int, length: int | None, etag: str | None, room: Room
    ) -> tuple[Stat, "_Pieces"]:
        try:
            if length == 0:
                raise BeyondEnd
            found = await self._get(path, start, length, etag)
        except BeyondEnd:
            stat = await self._head(path)
            if etag is not None and stat.etag != etag:
                raise NotFound(f"'{path}' has been replaced.") from None
            return stat, _Pieces(None, 0, self._translated)
        except NotFound:
            if etag is None:
                await self._refuse_directory(path)
            raise
        stat, (first, end) = _stat(found), found.range
        stream = found.stream(min_chunk_size=_piece_bytes(end - first, room))
        return stat, _Pieces(stream, end - first, self._translated)

    async def _get(self, path: str, start: int, length: int | None, etag: str | None) -> Any:
        options: GetOptions = {}
        if length is not None:
            options["range"] = (start, start + length)
        elif start:
            options["range"] = {"offset": start}
        if etag is not None:
            options["if_match"] = f'"{etag}"'
        with self._translated():
            return await obstore.get_async(self._reads, self._key(path), options=options)

    async def _refuse_directory(self, path: str) -> None:
        with self._translated():
            async for _ in obstore.list(self._reads, self._below(path), chunk_size=1):
                raise refers_to_directory(path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as failure:
            # What follows is the same once more, for programmers.
            told = str(failure).partition("\n\nDebug source")[0]
            raise self._error(failure) from _Told(" ".join(told.split()))

    def _error(self, failure: Exception) -> ApiError | BeyondEnd:
        """What obstore's error stands for: it has few kinds, and the rest is in its text."""
        text = str(failure)
        status = int(found[1] or found[2]) if (found := _STATUS.search(text)) else None
        code = found[1] if (found := _CODE.search(text)) else ""
        if status == 416 or code == "InvalidRange" or "StartTooLarge" in text:
            return BeyondEnd()
        if _TOKEN.search(text):
            refused = status is not None and status < 500
            return (PermissionDenied if refused else Unavailable)(
                f"The service gets no token for the artifact store: {self._credentials}."
            )
        if code in _MISSING:
            return objects.error("NoSuchBucket", status)
        if code.startswith("Lease"):
            return Unavailable("Somebody has locked the artifact in the store by a lease.")
        if code in ("InvalidBlockList", "InvalidBlobOrBlock"):
            return Unavailable(_UNTIL_NOW)
        if status is None and isinstance(failure, FileNotFoundError):
            return objects.error("", 404)
        if status is None and _BAD_PATH.search(text):
            return InvalidParameter(
                "The artifact store holds a name here with a control character, which this service "
                "cannot read from it: rename that object."
            )
        if status is None:
            return Unavailable("The artifact store does not answer; try again.")
        if status == 409:
            return Conflict(objects.error(code, status).message)
        return objects.error(code, status)


class _Pieces(AsyncIterator[bytes]):
    """The pieces of a body as obstore reads it, `length` bytes in all."""

    def __init__(self, stream: Any, length: int, translated: Any) -> None:
        self._stream = stream
        self._left = length
        self._translated = translated

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        piece = b""
        with self._translated():
            async for read in self._stream:
                piece = bytes(read)
                break
        if not piece:
            raise Unavailable("The artifact store ended an object early; try again.")
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Let go of the connection."""
        self._stream = None
        self._left = 0


def _piece_bytes(length: int, room: Room) -> int:
    if length >= _LONG_BYTES and room.hold(_COPIES * PIECE_BYTES):
        return PIECE_BYTES
    return _SMALL_BYTES


def _stat(found: Any) -> Stat:
    meta: Mapping[str, Any] = found.meta
    etag = (meta["e_tag"] or "").removeprefix("W/").strip('"')
    encoding = found.attributes.get("Content-Encoding", "")
    return Stat(meta["size"], etag, meta["last_modified"].timestamp(), encoding)


def _entries(found: Iterable[tuple[str, int | None]], below: str) -> Iterator[Entry]:
    """The names in the listed directory; none that could not be asked for again."""
    for key, size in found:
        name = key[len(below) :]
        if key.startswith(below) and name and "/" not in name:
            yield Entry(name, size is None, size)
