"""Many calls, one piece of work: calls that come while a run lasts share the next one."""

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from tandem_metadata.database import read_cancellation
from tandem_metadata.database.pool import WAITING_SINCE, connections_in_use
from tandem_metadata.database.read_cancellation import CancelToken, Reason
from tandem_shared.concurrency.threads import Threads, call_in_loop

C = TypeVar("C")
R = TypeVar("R")

_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[C, R]):
    call: C
    future: "asyncio.Future[R]"
    since: float


class Batcher(Generic[C, R]):
    """Hands calls, in the order they come, to a function that takes several at once.

    A call that comes while the function runs waits with the others for the next run: under load
    they share its cost, and without load nothing waits. One run at a time.

    The batcher's thread takes the calls of its next run itself. Taken by the event loop they would
    wait for its turn, in which the database does nothing.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[C]], Sequence[R | BaseException]],
        *,
        cost: Callable[[C], int],
        limit: int,
        timeout: float,
        read_timeout: float | None = None,
        rest: Callable[[float], float] | None = None,
        gather: float = 0.0,
    ) -> None:
        """`work` runs in a thread and returns an outcome for each call: a result or an exception.

        What it raises itself goes for all its calls. A run takes calls until they cost `limit`; a
        call that no run has taken after `timeout` seconds fails with Unavailable, and is dropped.
        A run that reads for longer than `read_timeout` is cancelled within a second: ReadTimeout.
        After a run of some seconds the thread rests for as many as `rest` says, which it calls.

        While several callers are at work, the thread gathers calls for `gather` seconds before each
        run. Clients that call again once they have their answer would else fall into two halves,
        one of which is answered while the other waits, so that runs are twice as many.
        """
        self._work = work
        self._cost = cost
        self._limit = limit
        self._timeout = timeout
        self._read_timeout = read_timeout
        self._rest = rest
        self._gather = gather
        self._threads = Threads(name, 1)
        self._sweeping = False
        self._drained: asyncio.Future[None] | None = None
        """The end of the thread's last stretch of runs. Used by the event loop."""
        self._reading: tuple[float, CancelToken] | None = None
        """When the run is cancelled, by `time.monotonic()`, and its token. Set by the thread."""
        self._lock = threading.Lock()
        self._calls: deque[_Waiting[C, R]] = deque()
        """Calls that no run has taken. Guarded by the lock."""
        self._running = False
        """Whether the thread will look at the calls again. Guarded by the lock."""

    @property
    def is_busy(self) -> bool:
        """Whether calls wait or run. Called by any thread."""
        return self._running

    async def run(self, call: C) -> R:
        """The outcome of the call. Called by the event loop.

        A caller that is cancelled does not take its call back: that may be done already.
        """
        loop = asyncio.get_running_loop()
        waiting: _Waiting[C, R] = _Waiting(call, loop.create_future(), loop.time())
        with self._lock:
            self._calls.append(waiting)
            start, self._running = not self._running, True
        if start:
            # A context of its own: a run works for many requests, and logs the id of none.
            drain = partial(self._drain, loop)
            self._drained = self._threads.start(drain, context=contextvars.Context())
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return await waiting.future

    async def aclose(self) -> None:
        """Let all calls have their outcomes, and the thread end. Called by the event loop."""
        while self._drained and not self._drained.done():
            await asyncio.wait([self._drained])
        await self._threads.aclose()

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run until no call waits. Called by the batcher's thread."""
        while calls := self._take():
            WAITING_SINCE.set(calls[0].since)
            if self._read_timeout is not None:
                token = CancelToken(self._read_timeout)
                read_cancellation.set_token(token)
                self._reading = time.monotonic() + self._read_timeout, token
            outcomes: Sequence[R | BaseException]
            began = time.monotonic()
            try:
                outcomes = self._work([waiting.call for waiting in calls])
            except BaseException as error:
                outcomes = [error] * len(calls)
            self._reading = None
            # Seen before the answers leave: a lone caller may call again at once.
            several = len(calls) > 1 or bool(self._calls)
            call_in_loop(loop, _settle, calls, outcomes)
            seconds = self._rest(time.monotonic() - began) if self._rest else 0.0
            if several:
                seconds = max(seconds, self._gather)
            if seconds > 0:
                time.sleep(seconds)

    def _take(self) -> list[_Waiting[C, R]]:
        """The calls of the next run. Called by the batcher's thread."""
        taken: list[_Waiting[C, R]] = []
        cost = 0
        with self._lock:
            while self._calls and cost < self._limit:
                waiting = self._calls.popleft()
                taken.append(waiting)
                cost += self._cost(waiting.call)
            self._running = bool(taken)
        return taken

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail calls that have waited too long, and cancel a run that reads for too long.

        Looks again while there are any. Called by the event loop.
        """
        if (reading := self._reading) and reading[0] <= loop.time():
            reading[1].cancel(Reason.TIMEOUT)
        late = loop.time() - self._timeout
        overdue = []
        with self._lock:
            while self._calls and self._calls[0].since <= late:
                overdue.append(self._calls.popleft())
            self._sweeping = self._running
        for waiting in overdue:
            if not waiting.future.done():
                waiting.future.set_exception(connections_in_use())
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


def _settle(calls: "Sequence[_Waiting[C, R]]", outcomes: "Sequence[R | BaseException]") -> None:
    """Hand out the outcomes of a run. Called by the event loop."""
    for waiting, outcome in zip(calls, outcomes, strict=True):
        if waiting.future.done():
            continue
        if isinstance(outcome, BaseException):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)
