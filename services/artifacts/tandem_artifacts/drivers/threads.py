"""Blocking calls in threads of a driver's own, so that a slow store holds up nobody else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from tandem_artifacts.drivers.base import CHUNK_BYTES, LONG_CHUNK_BYTES
from tandem_shared.errors import Unavailable
from tandem_shared.finishing import finish

_CACHED_BYTES = 2 * CHUNK_BYTES
"""What is copied in one go while nothing else goes on, in a fraction of a millisecond."""

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
            return await finish(asyncio.wrap_future(job), job.cancel)
        finally:
            del (
                job
            )  # A failed call's traceback would keep its arguments alive: whole parts of bytes.

    def close(self) -> None:
        """Let the threads end once they have done what they were given; it is not waited for."""
        self._pool.shutdown(wait=False)


async def certainly(work: Coroutine[Any, Any, T]) -> T:
    """Carry a clean-up through to its end, also when the caller is cancelled meanwhile."""
    return await finish(asyncio.ensure_future(work))


class ReadAhead(AsyncIterator[bytes]):
    """What a blocking `read(size)` yields, `length` bytes in all, always one chunk ahead.

    Chunks grow up to `LONG_CHUNK_BYTES`; two are held at most. `first` has been read already, and
    counts. Raises Unavailable when `read` comes to an end early.

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
        read_cached: Callable[[int], bytes] | None = None,
    ) -> None:
        self._threads = threads
        self._read = read
        self._read_cached = read_cached
        self._left = length
        self._first = first
        self._size = CHUNK_BYTES
        self._next: asyncio.Future[bytes] | None = None

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        if self._first:
            chunk, self._first = self._first, b""
        elif self._read_cached and (cached := self._read_cached(min(_CACHED_BYTES, self._left))):
            await asyncio.sleep(0)  # the others' turn: a fast client would leave them none
            chunk = cached
        else:
            self._read_cached = None
            if self._next is None:
                self._next = self._begin(self._left)
            chunk = await finish(self._next)
            self._next = None
        if not chunk:
            raise Unavailable("The artifact store ended an object early; try again.")
        self._left -= len(chunk)
        if self._left and not self._read_cached:
            self._next = self._begin(self._left)
        return chunk

    async def aclose(self) -> None:
        """Wait for the read that is under way; afterwards its source may be closed."""
        if self._next is not None:
            pending, self._next = self._next, None
            await asyncio.wait([pending])
            if not pending.cancelled():
                pending.exception()
        self._left = 0

    def _begin(self, left: int) -> "asyncio.Future[bytes]":
        size, self._size = self._size, min(2 * self._size, LONG_CHUNK_BYTES)
        return asyncio.ensure_future(self._threads.run(self._read, min(size, left)))
