"""One upload to an object store, in parts that leave while the next bytes come in."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence

from tandem_artifacts.drivers.base import UNBOUNDED, Part, Room
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import ApiError, InvalidParameter, NotFound, Unavailable

PART_BYTES = 8 * 1024 * 1024
"""The size of the first parts; an object up to this size is stored by one request."""

MAX_PARTS = 10_000
"""S3's limit."""

_SAME_SIZE_PARTS = 350
_IN_FLIGHT = 2
_ABORT_AGAIN_SECONDS = (1, 2, 4, 8, 15, 30, 60, 120, 240, 480)
_log = logging.getLogger(__name__)


def part_bytes(number: int, size: int | None = None) -> int:
    """The size of a part, from 1.

    Parts of an upload whose size is known are all alike, 8 MiB up to 78 GiB. Else every 350 parts
    they grow by 8 MiB, so that 2.7 GiB go in parts of 8 MiB, while 10,000 parts hold 1.1 TiB.
    """
    if size is not None:
        return max(PART_BYTES, -(-size // MAX_PARTS))
    return PART_BYTES * (1 + (number - 1) // _SAME_SIZE_PARTS)


class PartStore(ABC):
    """The blocking calls of an upload, which threads make; failures are `tandem_shared.errors`."""

    @abstractmethod
    def put(self, key: str, data: bytes | bytearray) -> None:
        """Store a small object by one request."""

    @abstractmethod
    def begin(self, key: str) -> str:
        """Begin a multipart upload; its id."""

    @abstractmethod
    def put_part(self, key: str, upload_id: str, number: int, data: bytes | bytearray) -> str:
        """Store a part; its ETag."""

    @abstractmethod
    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object from its parts, in order. Raises NotFound for an unknown upload."""

    @abstractmethod
    def abort(self, key: str, upload_id: str) -> None:
        """Drop the upload and its parts. Raises NotFound for an unknown upload."""


class Aborts:
    """Drops multipart uploads, which take up space in the bucket until then.

    The event loop calls all methods.
    """

    def __init__(self, store: PartStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads
        self._retries: set[asyncio.Task[None]] = set()

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop an upload; when the store fails, go on trying after this has returned."""
        if reason := await self._try(key, upload_id):
            _log.warning("a multipart upload could not be aborted, and is tried again: %s", reason)
            retry = asyncio.get_running_loop().create_task(self._retry(key, upload_id))
            self._retries.add(retry)
            retry.add_done_callback(self._retries.discard)

    def close(self) -> None:
        """Give up the retries."""
        for retry in self._retries:
            retry.cancel()

    async def _retry(self, key: str, upload_id: str) -> None:
        reason = ""
        for seconds in _ABORT_AGAIN_SECONDS:
            await asyncio.sleep(seconds)
            reason = await self._try(key, upload_id)
            if not reason:
                return
        _log.error("a multipart upload of %s is left in the bucket: %s", key, reason)

    async def _try(self, key: str, upload_id: str) -> str:
        """The store's failure; "" once the upload is gone."""
        try:
            await self._threads.run(self._store.abort, key, upload_id)
        except NotFound:
            return ""
        except ApiError as error:
            return error.message
        return ""


async def upload(
    store: PartStore,
    threads: Threads,
    aborts: Aborts,
    key: str,
    chunks: AsyncIterator[bytes],
    size: int | None = None,
    room: Room = UNBOUNDED,
) -> None:
    """Store what `chunks` yields, all or nothing; at most two parts are under way at a time.

    Without room for two, a part is sent before the bytes of the next are received.
    """
    under_way = _Upload(store, threads, aborts, key, size, room)
    try:
        await under_way.write(chunks)
    except BaseException:
        await shielded(under_way.abandon())
        raise


class _Upload:
    """One upload; the event loop calls all methods but `_begin`."""

    def __init__(
        self,
        store: PartStore,
        threads: Threads,
        aborts: Aborts,
        key: str,
        size: int | None,
        room: Room,
    ) -> None:
        self._aborts = aborts
        self._size = size
        self._room = room
        self._store = store
        self._threads = threads
        self._key = key
        self._id: str | None = None
        self._number = 0
        self._flying: set[asyncio.Task[None]] = set()
        self._parts: list[Part] = []

    async def write(self, chunks: AsyncIterator[bytes]) -> None:
        data = bytearray()
        size = part_bytes(1, self._size)
        async for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                # A full part waits for further bytes: an object of one part is one request.
                if len(data) == size:
                    await self._send(data)
                    data = bytearray()
                    size = part_bytes(self._number + 1, self._size)
                room = size - len(data)
                data += rest[:room]
                rest = rest[room:]
        if not self._number:
            await self._threads.run(self._store.put, self._key, data)
            return
        upload_id = await self._send(data)
        del data
        await self._land(0)
        await self._complete(upload_id)

    async def abandon(self) -> None:
        # Parts under way come first: S3 may keep a part that arrives after the abort.
        if self._flying:
            await asyncio.wait(self._flying)
            for task in self._flying:
                task.exception()
        if self._id is not None:
            await self._aborts.abort(self._key, self._id)

    async def _send(self, data: bytearray) -> str:
        """Begin to send a part, after the upload if it is the first; the upload's id."""
        if self._number == MAX_PARTS:
            raise InvalidParameter(
                "The file is larger than an upload in one request may be: 1.1 TiB."
            )
        upload_id = self._id
        if upload_id is None:
            upload_id = await self._threads.run(self._begin)
        await self._land(_IN_FLIGHT - 1)
        self._number += 1
        self._flying.add(asyncio.create_task(self._put_part(upload_id, self._number, data)))
        del data
        size = part_bytes(self._number + 1, self._size)
        if not self._room.hold((_IN_FLIGHT + 1) * size):
            await self._land(0)
            self._room.hold(size)
        return upload_id

    def _begin(self) -> str:
        """Begin the multipart upload; its id. Called in a thread."""
        # The thread keeps the id, so that a cancelled caller can abort the upload.
        self._id = self._store.begin(self._key)
        return self._id

    async def _put_part(self, upload_id: str, number: int, data: bytearray) -> None:
        etag = await self._threads.run(self._store.put_part, self._key, upload_id, number, data)
        self._parts.append(Part(number, etag))

    async def _land(self, allowed: int) -> None:
        """Wait until no more than `allowed` parts are under way."""
        while len(self._flying) > allowed:
            done, _ = await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            self._flying -= done
            for task in done:
                task.result()

    async def _complete(self, upload_id: str) -> None:
        parts = sorted(self._parts, key=lambda part: part.number)
        try:
            await self._threads.run(self._store.complete, self._key, upload_id, parts)
        except NotFound:
            raise Unavailable("The artifact store lost the upload; try again.") from None
        self._id = None
