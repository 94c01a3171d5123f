"""Reads objects: the first chunk by the thread that opens them, the others ahead."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tandem_artifacts.drivers.base import (
    CHUNK_BYTES,
    LONG_CHUNK_BYTES,
    UNBOUNDED,
    Reading,
    Room,
    Stat,
)
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import Unavailable

FIRST_BYTES = 256 * 1024
"""First chunk of a long object, before the client's speed is known."""

_LEAST_BYTES = 64 * 1024
_CACHED_BYTES = 2 * CHUNK_BYTES
"""Most that the event loop copies from the page cache at once, in a fraction of a millisecond."""

_FAST_SECONDS = 0.1
"""Chunks grow after one that the client took in within this time."""
_SLOW_SECONDS = 1.0
"""Chunks shrink after one that the client took longer for."""
_PROOF = 16
"""Chunks of one size to be sent before the size grows."""
_COPIES = 3
"""Chunks in memory: one being sent, its unsent copy in the server's buffer, and the next."""


@dataclass(frozen=True, slots=True)
class OpenObject:
    """A range of an object. The functions block; one thread at a time may call them."""

    stat: Stat
    length: int
    """Bytes of the range."""
    read: Callable[[int], bytes]
    """The next bytes, at most so many; b"" when the object ends early."""
    close: Callable[[], None]
    """To be called once."""
    read_cached: Callable[[int], bytes] | None = None
    """Like `read`, but b"" instead of waiting. The event loop calls it, while no `read` runs."""


class _OpenAttempt:
    """Holds the object that a thread opened, for the event loop to close after a cancel."""

    def __init__(self, open_object: Callable[[], OpenObject]) -> None:
        self._open_object = open_object
        self.opened: OpenObject | None = None
        self.first = b""
        self.is_closed = False

    def run(self) -> OpenObject:
        """Open, read the first chunk, and close if that is all. Called in a thread."""
        opened = self.opened = self._open_object()
        if opened.length:
            whole = opened.length <= CHUNK_BYTES
            self.first = opened.read(opened.length if whole else FIRST_BYTES)
        if len(self.first) == opened.length:
            self.is_closed = True
            opened.close()
        return opened


@asynccontextmanager
async def open_reading(
    threads: Threads, open_object: Callable[[], OpenObject], room: Room
) -> AsyncIterator[Reading]:
    """`Driver.read`, over a blocking function that opens the range."""
    attempt = _OpenAttempt(open_object)
    chunks: ReadAhead | None = None
    try:
        opened = await threads.run(attempt.run)
        chunks = ReadAhead(
            threads,
            opened.read,
            opened.length,
            attempt.first,
            room=room,
            read_cached=opened.read_cached,
        )
        yield Reading(opened.stat, chunks)
    finally:
        if attempt.opened is not None and not attempt.is_closed:
            await shielded(_close(threads, attempt.opened, chunks))


async def _close(threads: Threads, opened: OpenObject, chunks: "ReadAhead | None") -> None:
    if chunks is not None:
        await chunks.aclose()
    await threads.run(opened.close)


class ReadAhead(AsyncIterator[bytes]):
    """Chunks of a blocking `read(size)`, `length` bytes in all; a thread reads one chunk ahead.

    Chunks grow with the caller's speed, up to `LONG_CHUNK_BYTES` and as far as `room` grants. At
    most two are held. `first` has been read already, and counts in `length`. Raises Unavailable
    when `read` ends early.

    `read_cached(size)` is `read` without waiting; b"" if that is impossible. Until then nothing is
    read ahead: to copy from memory takes less time than a hand-over to a thread.

    The event loop calls all methods.
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
            await asyncio.sleep(0)  # Lets other tasks run: a fast client would not.
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
        """Wait for the read under way; afterwards its object may be closed."""
        if self._next is not None:
            pending, self._next = self._next, None
            await asyncio.wait([pending])
            if not pending.cancelled():
                pending.exception()
        self._left = 0

    def _piece(self, most: int = LONG_CHUNK_BYTES) -> int:
        return min(self._size, most, self._left)

    def _adapt(self, seconds: float) -> None:
        """Choose the next chunks' size by the seconds that the caller took for the last one.

        The first chunks prove little: socket buffers take in megabytes at once.
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
