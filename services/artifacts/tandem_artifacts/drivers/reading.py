"""An object opened for reading: its first bytes by one turn of a thread, the others read ahead."""

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
    """Like `read`, but b"" where it would wait; the event loop may call it while no `read` runs."""


class _OpenAttempt:
    """Keeps what a thread opened where the event loop finds it after a cancel, to close it."""

    def __init__(self, open_object: Callable[[], OpenObject]) -> None:
        self._open_object = open_object
        self.opened: OpenObject | None = None
        self.first = b""
        self.is_closed = False

    def run(self) -> None:
        """Open, and read the first chunk; close again when that is all. In a thread."""
        opened = self.opened = self._open_object()
        if opened.length:
            whole = opened.length <= CHUNK_BYTES
            self.first = opened.read(opened.length if whole else FIRST_BYTES)
        if len(self.first) == opened.length:
            self.is_closed = True
            opened.close()


@asynccontextmanager
async def open_reading(
    threads: Threads, open_object: Callable[[], OpenObject], room: Room
) -> AsyncIterator[Reading]:
    """What `Driver.read` promises, over a blocking function that opens the range."""
    attempt = _OpenAttempt(open_object)
    chunks: ReadAhead | None = None
    try:
        await threads.run(attempt.run)
        opened = attempt.opened
        assert opened is not None
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
