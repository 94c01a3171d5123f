"""Blocking functions in threads, bounded by the database's connections."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from tandem_metadata.db import connections_in_use

P = ParamSpec("P")
V = TypeVar("V")


class Threads:
    """Runs blocking functions in threads, as many at once as the pool has connections.

    One more would only wait for a connection, and hold a thread meanwhile.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size = size
        self._timeout = timeout
        self._limiter: anyio.CapacityLimiter | None = None
        self._free: anyio.Semaphore | None = None

    async def run(self, function: Callable[P, V], *args: P.args, **_: P.kwargs) -> V:
        """The function's result, or what it raises.

        Raises Unavailable when no thread, and so no connection, was free for `timeout` seconds.
        """
        if self._limiter is None or self._free is None:  # they belong to the loop that runs them
            self._limiter = anyio.CapacityLimiter(self._size)
            self._free = anyio.Semaphore(self._size, fast_acquire=True)
        free = self._free
        try:
            free.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait(free)
        try:
            return await anyio.to_thread.run_sync(function, *args, limiter=self._limiter)
        finally:
            free.release()

    async def _wait(self, free: anyio.Semaphore) -> None:
        try:
            with anyio.fail_after(self._timeout):
                await free.acquire()
        except TimeoutError:
            raise connections_in_use() from None
