"""Blocking functions in threads: the one bridge between them and the event loop.

Not `ThreadPoolExecutor`: to hand it a function takes longer than a small query, and the interpreter
waits for its threads at the exit, however long they hang.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from tandem_shared.concurrency.cancellation import shielded

P = ParamSpec("P")
V = TypeVar("V")


def call_in_loop(
    loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any
) -> None:
    """Have the event loop call a function. Called by any thread; a closed loop calls nothing."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


class Threads:
    """At most `size` daemon threads, started as they are needed, which run blocking functions.

    All methods are called by the event loop, so nothing here is locked.
    """

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._closed = False
        self._idle = asyncio.Event()

    @property
    def busy(self) -> int:
        """Functions that run or wait for a thread."""
        return self._busy

    async def run(self, function: Callable[P, V], *args: P.args, **kwargs: P.kwargs) -> V:
        """The function's result, or what it raises; it sees the caller's context.

        When the caller is cancelled, a function that has begun is waited for before CancelledError
        goes on: afterwards nothing of it is still happening, and clean-up may begin. One that has
        not begun is never called.
        """
        job = self._submit(contextvars.copy_context(), partial(function, *args, **kwargs))
        try:
            return await shielded(job.outcome, job.cancel)
        finally:
            del job  # A failure's traceback would keep it, and so whole parts of uploads, alive.

    def start(
        self,
        function: Callable[[], V],
        *,
        context: contextvars.Context | None = None,
        ended: Callable[[], None] | None = None,
    ) -> "asyncio.Future[V]":
        """Begin to run a function. Whoever waits for the future does not wait when cancelled.

        Then a function that has begun goes on, and another is never called. It runs in `context`,
        or in a copy of the caller's. `ended` is called by the event loop once the function has
        ended, before the future is done.
        """
        return self._submit(context or contextvars.copy_context(), function, ended).outcome

    def close(self) -> None:
        """Let the threads end once they have done what they were given; it is not waited for."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._jobs.put(None)

    async def aclose(self) -> None:
        """As `close`, and wait until the functions and the threads have ended."""
        self.close()
        while self._busy:
            self._idle.clear()
            await self._idle.wait()
        for thread in self._threads:
            thread.join()

    def _submit(
        self,
        context: contextvars.Context,
        function: Callable[[], V],
        ended: Callable[[], None] | None = None,
    ) -> "_Job[V]":
        if self._closed:
            raise RuntimeError(f"the threads {self._name!r} are closed")
        self._busy += 1
        job = _Job(partial(context.run, function), self._ended, ended)
        self._jobs.put(job)
        if self._busy > len(self._threads) < self._size:
            name = f"{self._name}_{len(self._threads)}"
            thread = threading.Thread(target=_serve, args=(self._jobs,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return job

    def _ended(self) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()


def _serve(jobs: "SimpleQueue[_Job[Any] | None]") -> None:
    """What a thread does. It holds no Threads, so that one that is forgotten can go."""
    while job := jobs.get():
        result = error = None
        if call := job.take():
            try:
                result = None if job.outcome.cancelled() else call()
            except BaseException as raised:
                error = raised
            call_in_loop(job.loop, job.settle, result, error)
        # The error's traceback holds this frame, which must not hold the error; nor may an idle
        # thread hold its last call.
        del job, call, result, error


class _Job(Generic[V]):
    """A call to be made, once: the thread takes it out, or whoever cancels it."""

    __slots__ = ("_call", "_ended", "_then", "loop", "outcome")

    def __init__(
        self, call: Callable[[], V], ended: Callable[[], None], then: Callable[[], None] | None
    ) -> None:
        self._call = [call]
        self._ended = ended
        self._then = then
        self.loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[V] = self.loop.create_future()

    def take(self) -> Callable[[], V] | None:
        """The call; None if it was taken before. Called by threads and the event loop."""
        try:
            return self._call.pop()
        except IndexError:
            return None

    def cancel(self) -> bool:
        """Whether the function had not begun; then it is never called. Called by the event loop."""
        if self.take() is None:
            return False
        self._end()
        return True

    def settle(self, result: V, error: BaseException | None) -> None:
        """Called by the event loop."""
        self._end()
        if self.outcome.done():
            return
        if isinstance(error, StopIteration):  # which a future refuses
            self.outcome.set_exception(RuntimeError("a function in a thread raised StopIteration"))
        elif error is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)

    def _end(self) -> None:
        self._ended()
        if self._then:
            self._then()
