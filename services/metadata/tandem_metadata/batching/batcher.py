"""Many calls, one piece of work: calls that come while a run lasts share the next one."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from tandem_metadata.database import stops
from tandem_metadata.database.database import SINCE, connections_in_use
from tandem_metadata.database.stops import Reason, Stop
from tandem_shared.concurrency.threads import Threads

C = TypeVar("C")
R = TypeVar("R")

_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[C, R]):
    call: C
    future: "asyncio.Future[R]"
    since: float


@dataclass(frozen=True, slots=True)
class _Run(Generic[R]):
    outcomes: "asyncio.Future[Sequence[R | BaseException]]"
    stop: Stop
    until: float | None
    """When it is stopped, by the event loop's clock; None: never."""


class Batcher(Generic[C, R]):
    """Hands calls, in the order they come, to a function that takes several at once.

    A call that comes while the function runs waits with the others for the next run: under load
    they share its cost, and without load nothing waits. One run at a time.

    The event loop owns all of it, so nothing is locked: only `work` runs in the batcher's thread.
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
    ) -> None:
        """`work` runs in a thread and returns an outcome for each call: a result or an exception.

        What it raises itself goes for all its calls. A run takes calls until they cost `limit`; a
        call that no run has taken after `timeout` seconds fails with Unavailable, and is dropped.
        A run that reads for longer than `read_timeout` is stopped, within a second, with TooSlow.
        """
        self._work = work
        self._cost = cost
        self._limit = limit
        self._timeout = timeout
        self._read_timeout = read_timeout
        self._threads = Threads(name, 1)
        self._calls: deque[_Waiting[C, R]] = deque()
        self._run: _Run[R] | None = None
        self._sweeping = False

    async def run(self, call: C) -> R:
        """The outcome of the call. Called by the event loop.

        A caller that is cancelled does not take its call back: that may be done already.
        """
        loop = asyncio.get_running_loop()
        waiting: _Waiting[C, R] = _Waiting(call, loop.create_future(), loop.time())
        self._calls.append(waiting)
        if not self._run:
            self._begin()
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return await waiting.future

    async def aclose(self) -> None:
        """Let all calls have their outcomes, and the thread end. Called by the event loop."""
        while self._run:
            await asyncio.wait([self._run.outcomes])
        await self._threads.aclose()

    def _begin(self) -> None:
        """Begin the next run, if calls wait for one. Called by the event loop."""
        calls = self._take()
        if not calls:
            self._run = None
            return
        stop = Stop(self._read_timeout)
        until = None
        if self._read_timeout is not None:
            until = asyncio.get_running_loop().time() + self._read_timeout
        # A context of its own: it works for many requests, and logs the id of none.
        context = contextvars.Context()
        outcomes = self._threads.start(partial(self._outcomes, calls, stop), context=context)
        self._run = _Run(outcomes, stop, until)
        outcomes.add_done_callback(partial(self._end, calls))

    def _take(self) -> list[_Waiting[C, R]]:
        """The calls of the next run. Called by the event loop."""
        taken: list[_Waiting[C, R]] = []
        cost = 0
        while self._calls and cost < self._limit:
            waiting = self._calls.popleft()
            taken.append(waiting)
            cost += self._cost(waiting.call)
        return taken

    def _outcomes(self, calls: Sequence[_Waiting[C, R]], stop: Stop) -> Sequence[R | BaseException]:
        """Called by the batcher's thread."""
        SINCE.set(calls[0].since)
        if self._read_timeout is not None:
            stops.use(stop)
        try:
            return self._work([waiting.call for waiting in calls])
        except BaseException as error:
            return [error] * len(calls)

    def _end(
        self,
        calls: Sequence[_Waiting[C, R]],
        run: "asyncio.Future[Sequence[R | BaseException]]",
    ) -> None:
        """Begin the next run, and hand out the outcomes of this one. Called by the event loop."""
        self._begin()
        for waiting, outcome in zip(calls, run.result(), strict=True):
            if waiting.future.done():
                continue
            if isinstance(outcome, BaseException):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail calls that have waited too long, and stop a run that reads for too long.

        Looks again while there are any. Called by the event loop.
        """
        if self._run and self._run.until is not None and self._run.until <= loop.time():
            self._run.stop.now(Reason.SLOW)
        late = loop.time() - self._timeout
        while self._calls and self._calls[0].since <= late:
            waiting = self._calls.popleft()
            if not waiting.future.done():
                waiting.future.set_exception(connections_in_use())
        self._sweeping = self._run is not None
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
