"""Runs blocking functions in threads, at most one for each connection to the database."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect

from tandem_metadata.database.pool import WAITING_SINCE, connections_in_use
from tandem_metadata.database.read_cancellation import Abandoned, Watchdog
from tandem_shared.concurrency import threads
from tandem_shared.concurrency.cancellation import shielded

P = ParamSpec("P")
V = TypeVar("V")


class Threads:
    """Runs blocking functions in threads, as many at once as the pool has connections.

    Further threads would only wait for a connection. The event loop calls all methods.
    """

    def __init__(self, size: int, timeout: float, read_timeout: float | None = None) -> None:
        """`timeout`: longest wait for a thread. `read_timeout`: longest read; None is no limit.

        Both are in seconds.
        """
        self._timeout = timeout
        self.read_timeout = read_timeout
        self._threads = threads.Threads("database", size)
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def run(self, function: Callable[P, V], *args: P.args, **kwargs: P.kwargs) -> V:
        """The function's result, or what it raises; it sees the caller's context.

        A cancelled caller waits until the function has ended. Raises Unavailable when no thread,
        and so no connection, was free for `timeout` seconds. The function's reads are cancelled
        with the caller, when they take too long (ReadTimeout), and when the client leaves
        (ClientDisconnect). Its writes go on.
        """
        loop = asyncio.get_running_loop()
        since = loop.time()
        if waits := not self._free:
            await self._acquire(loop)
        else:
            self._free -= 1
        context = contextvars.copy_context()
        watchdog = Watchdog(self.read_timeout, waited=waits)
        context.run(watchdog.install)
        context.run(WAITING_SINCE.set, since)
        call = partial(function, *args, **kwargs)
        outcome = self._threads.start(call, context=context, ended=self._release)
        try:
            return await shielded(outcome, watchdog.abandon)
        except Abandoned:
            raise ClientDisconnect from None
        finally:
            watchdog.close()
            del outcome, call  # A failure's traceback would keep them in memory.

    async def aclose(self) -> None:
        """Wait for the running functions, and end the threads."""
        await self._threads.aclose()

    def _release(self) -> None:
        """Give a free thread to the call that waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    async def _acquire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a free thread, first come, first served."""
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(self._timeout, self._give_up, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # a thread was given, but not used
                self._release()
            raise
        finally:
            timer.cancel()

    def _give_up(self, waiter: "asyncio.Future[None]") -> None:
        if not waiter.done():
            waiter.set_exception(connections_in_use())
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
