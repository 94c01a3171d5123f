"""Blocking calls in threads of a driver's own, so that a slow store holds up nobody else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from tandem_artifacts.drivers.base import CHUNK_BYTES, LONG_CHUNK_BYTES, UNBOUNDED, Room
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.errors import Unavailable

FIRST_BYTES = 256 * 1024
"""The first piece of what is long: nobody knows yet how fast the client is."""

_LEAST_BYTES = 64 * 1024
_CACHED_BYTES = 2 * CHUNK_BYTES
"""What is copied in one go while nothing else goes on, in a fraction of a millisecond."""

_FAST_SECONDS = 0.1
_SLOW_SECONDS = 1.0
"""Pieces that clients take in faster are followed by larger ones, those that take longer by
smaller."""
_PROOF = 16
"""Pieces of a size that must have left before larger ones do."""
_COPIES = 3
"""Pieces in memory: one on its way, what of it the server has not sent yet, and the next."""

T = TypeVar("T")
P = ParamSpec("P")


class Threads:
    """A pool of threads, started as they are needed."""

    def __init__(self, name: str, size: int) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix=f"tandem-{name}")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in a thread.

        When the caller is cancelled, a call that runs already is waited for before CancelledError
        goes on: afterwards nothing of it is still happening, and clean-up may begin.
        """
        job = self._pool.submit(call, *args, **kwargs)
        try:
            return await shielded(asyncio.wrap_future(job), job.cancel)
        finally:
            del (
                job
            )  # A failed call's traceback would keep its arguments alive: whole parts of bytes.

    def close(self) -> None:
        """Let the threads end once they have done what they were given; it is not waited for."""
        self._pool.shutdown(wait=False)


async def certainly(work: Coroutine[Any, Any, T]) -> T:
    """Carry a clean-up through to its end, also when the caller is cancelled meanwhile."""
    return await shielded(asyncio.ensure_future(work))


def first_bytes(length: int) -> int:
    """How much to read at once of what has that length: all of what is short."""
    return length if length <= CHUNK_BYTES else FIRST_BYTES


class ReadAhead(AsyncIterator[bytes]):
    """What a blocking `read(size)` yields, `length` bytes in all, always one chunk ahead.

    Chunks become as large as the caller takes in within a moment, `LONG_CHUNK_BYTES` at most and as
    far as there is room; two are held at most. `first` has been read already, and counts. Raises
    Unavailable when `read` comes to an end early.

    `read_cached(size)` is what `read` would give, if that takes no waiting, or nothing. Until it
    gives nothing there is no reading ahead: memory is read faster than a thread hands it over.
    """

    def __init__(
        self,
        threads: Threads,
        read: Callable[[int], bytes],
        length: int,
        first: bytes = b"",
        *,
        room: Room = UNBOUNDED,
        read_cached: Callable[[int], bytes] | None = None,
    ) -> None:
        self._threads = threads
        self._read = read
        self._read_cached = read_cached
        self._left = length
        self._first = first
        self._room = room
        self._size = FIRST_BYTES
        self._done = 0
        self._given: float | None = None
        self._next: asyncio.Future[bytes] | None = None

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        if self._given is not None:
            self._adapt(asyncio.get_running_loop().time() - self._given)
        if self._first:
            chunk, self._first = self._first, b""
        elif self._read_cached and (cached := self._read_cached(self._piece(_CACHED_BYTES))):
            await asyncio.sleep(0)  # the others' turn: a fast client would leave them none
            chunk = cached
        else:
            self._read_cached = None
            if self._next is None:
                self._next = self._begin()
            chunk = await shielded(self._next)
            self._next = None
        if not chunk:
            raise Unavailable("The artifact store ended an object early; try again.")
        self._left -= len(chunk)
        self._done += len(chunk)
        if self._left and not self._read_cached:
            self._next = self._begin()
        self._given = asyncio.get_running_loop().time()
        return chunk

    async def aclose(self) -> None:
        """Wait for the read that is under way; afterwards its source may be closed."""
        if self._next is not None:
            pending, self._next = self._next, None
            await asyncio.wait([pending])
            if not pending.cancelled():
                pending.exception()
        self._left = 0

    def _piece(self, most: int = LONG_CHUNK_BYTES) -> int:
        return min(self._size, most, self._left)

    def _adapt(self, seconds: float) -> None:
        """Choose the size of the next pieces by how long the caller was busy with the last one.

        The first ones say little: buffers on the way take in megabytes at once.
        """
        size = self._size
        if seconds < _FAST_SECONDS:
            if self._done >= _PROOF * size:
                size = min(2 * size, LONG_CHUNK_BYTES)
        elif seconds > _SLOW_SECONDS:
            size = max(size // 2, _LEAST_BYTES)
        if size != self._size and self._room.hold(_COPIES * size):
            self._size = size

    def _begin(self) -> "asyncio.Future[bytes]":
        return asyncio.ensure_future(self._threads.run(self._read, self._piece()))
