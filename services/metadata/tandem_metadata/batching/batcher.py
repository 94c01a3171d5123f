"""Many calls, one piece of work: what waits while the database is busy goes together next."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from tandem_metadata.database import stops
from tandem_metadata.database.database import SINCE, connections_in_use
from tandem_metadata.database.stops import Reason, Stop

C = TypeVar("C")
R = TypeVar("R")

_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting(Generic[C, R]):
    call: C
    future: "asyncio.Future[R]"
    since: float


class Lane(Generic[C, R]):
    """Hands calls, in the order they come, to a function that takes several at once.

    A call that comes while the function runs waits with the others for the next run: under load
    they share its cost, and without load nothing waits. One run at a time.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[C]], Sequence[R | BaseException]],
        *,
        weigh: Callable[[C], int],
        limit: int,
        timeout: float,
        read_timeout: float | None = None,
    ) -> None:
        """`work` runs in a thread and returns an outcome for each call: a result or an exception.

        What it raises itself goes for all its calls. A run takes calls until they weigh `limit`; a
        call that has not been taken after `timeout` seconds fails with Unavailable, and is dropped.
        What a run reads for longer than `read_timeout` is stopped, within a second, with TooSlow.
        """
        self._work = work
        self._weigh = weigh
        self._limit = limit
        self._timeout = timeout
        self._read_timeout = read_timeout
        self._reading: tuple[float, Stop] | None = None
        # Not an executor: to hand it a function takes longer than the rest of a call.
        self._starts: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._lock = threading.Lock()
        self._calls: deque[_Waiting[C, R]] = deque()
        self._running = False
        self._closed = False
        self._sweeping = False

    async def run(self, call: C) -> R:
        """The outcome of the call.

        A caller that is cancelled does not take its call back: that may be done already.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        waiting = _Waiting(call, future, loop.time())
        with self._lock:
            if self._closed:
                raise RuntimeError("the lane is closed")
            self._calls.append(waiting)
            start, self._running = not self._running, True
            if start and not self._thread.ident:
                self._thread.start()
        if start:
            self._starts.put(True)
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return await future

    def close(self) -> None:
        """Finish what was submitted, and let the thread go."""
        with self._lock:
            self._closed = True
        self._starts.put(False)
        if self._thread.ident:
            self._thread.join()

    def _serve(self) -> None:
        while self._starts.get():
            self._drain()

    def _drain(self) -> None:
        while calls := self._take():
            outcomes: Sequence[R | BaseException]
            SINCE.set(calls[0].since)
            if self._read_timeout is not None:
                stop = Stop(self._read_timeout)
                stops.use(stop)
                self._reading = time.monotonic() + self._read_timeout, stop
            try:
                outcomes = self._work([waiting.call for waiting in calls])
            except BaseException as error:
                outcomes = [error] * len(calls)
            self._reading = None
            by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting[C, R], object]]] = {}
            for pair in zip(calls, outcomes, strict=True):
                by_loop.setdefault(pair[0].future.get_loop(), []).append(pair)
            for loop, pairs in by_loop.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_settle, pairs)

    def _take(self) -> list[_Waiting[C, R]]:
        """The calls of the next run; without any, the lane stops running."""
        taken: list[_Waiting[C, R]] = []
        weight = 0
        with self._lock:
            while self._calls and weight < self._limit:
                waiting = self._calls.popleft()
                taken.append(waiting)
                weight += self._weigh(waiting.call)
            self._running = bool(taken)
        return taken

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail the calls that have waited too long, and stop a run that reads for too long.

        Look again while there are any.
        """
        if (reading := self._reading) and reading[0] <= loop.time():
            reading[1].now(Reason.SLOW)
        late = loop.time() - self._timeout
        with self._lock:
            overdue = []
            while self._calls and self._calls[0].since <= late:
                overdue.append(self._calls.popleft())
            self._sweeping = bool(self._calls) or self._running
        for waiting in overdue:
            if not waiting.future.done():
                waiting.future.set_exception(connections_in_use())
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


def _settle(pairs: "Sequence[tuple[_Waiting[C, R], object]]") -> None:
    for waiting, outcome in pairs:
        if waiting.future.done():
            continue
        if isinstance(outcome, BaseException):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)  # type: ignore[arg-type]
