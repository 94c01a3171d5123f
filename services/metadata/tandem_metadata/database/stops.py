"""Reads that can be stopped: when they take too long, or when nobody waits for them any more."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from enum import Enum
from typing import Any, Final

from tandem_shared.errors import BadRequest

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Interrupt = Callable[[bool], None]
"""Has the database stop a statement; with True, whatever becomes of the connection."""

CLIENT: ContextVar[Receive | None] = ContextVar("client", default=None)
"""What tells that the client of the request has left, once its body has been read."""

_STOP: ContextVar["Stop | None"] = ContextVar("stop", default=None)

_SOON: Final = 1.0
"""Seconds that a read takes before anybody looks whether its client is still there."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_PATIENCE: Final = 2.0
"""Seconds that a database gets to stop a statement before its connection is cut."""


class Reason(Enum):
    """Why a read was stopped."""

    SLOW = "slow"
    ABANDONED = "abandoned"


class TooSlow(BadRequest):
    """A read took longer than one may. A 4xx: clients repeat what is answered 503 or 504."""

    def __init__(self, seconds: float | None = None) -> None:
        limit = "the database" if seconds is None else f"--read-timeout ({seconds:g} seconds)"
        super().__init__(
            f"This takes longer to read than {limit} allows, and was stopped. Ask for less at "
            "once: fewer experiments or runs, a smaller max_results, or a filter of fewer "
            "comparisons, or by = instead of LIKE or ILIKE."
        )


class Abandoned(Exception):
    """Nobody waits for what was read."""


class Stop:
    """Stops what one call reads from the database, now and from then on."""

    def __init__(self, seconds: float | None = None) -> None:
        """`seconds` is what the call may take: people are told."""
        self._seconds = seconds
        self._lock = threading.Lock()
        self._interrupt: Interrupt | None = None
        self._reason: Reason | None = None

    @property
    def error(self) -> Exception | None:
        """What the call raises; None while it was not stopped."""
        if self._reason is None:
            return None
        return TooSlow(self._seconds) if self._reason is Reason.SLOW else Abandoned()

    def now(self, reason: Reason) -> None:
        """Stop; only the first reason counts. Does not block, and is called by one thread."""
        if self._reason is not None:
            return
        with self._lock:
            self._reason = reason
            reading = self._interrupt is not None
        if reading:
            threading.Thread(target=self._press, name="stop", daemon=True).start()

    def begin(self, interrupt: Interrupt) -> None:
        """A connection begins to read; raises what the call raises when it was stopped already."""
        with self._lock:
            if error := self.error:
                raise error
            self._interrupt = interrupt

    def end(self) -> None:
        """It has ended, and from here on nothing interrupts the connection."""
        with self._lock:
            self._interrupt = None

    def _press(self) -> None:
        """Interrupt until it is done: between two statements there is nothing to interrupt."""
        began = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            with self._lock:
                if self._interrupt is None:
                    return
                self._interrupt(time.monotonic() - began > _PATIENCE)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def use(stop: Stop) -> None:
    """From now on, have `stop` stop what this thread reads."""
    _STOP.set(stop)


def current() -> Stop | None:
    """What stops the reads of the call that this thread works for."""
    return _STOP.get()


class Watch:
    """Stops a call that takes too long, and one whose client leaves while it works.

    Neither is looked at before it has worked for a second: most end before.
    """

    def __init__(self, seconds: float | None, *, waited: bool) -> None:
        """`seconds` is what the call may take. One that `waited` may have no client by now."""
        self._stop = Stop(seconds)
        self._seconds = seconds
        self._receive = CLIENT.get()
        self._task: asyncio.Task[None] | None = None
        soon = 0.0 if waited else _SOON if seconds is None else min(_SOON, seconds)
        self._loop = asyncio.get_running_loop()
        self._until = None if seconds is None else self._loop.time() + seconds
        self._timer = self._loop.call_later(soon, self._begin)

    def set(self) -> None:
        """Have this thread's reads, in the context that this is called in, be stopped."""
        use(self._stop)

    def abandon(self) -> bool:
        """Stop, since nobody waits any more. False: what is stopped has still to end."""
        self._stop.now(Reason.ABANDONED)
        return False

    def end(self) -> None:
        """The call has ended."""
        self._timer.cancel()
        if self._task:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._wait())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout_at(self._until):
                await self._client_left()
        except TimeoutError:
            self._stop.now(Reason.SLOW)
        else:
            self._stop.now(Reason.ABANDONED)

    async def _client_left(self) -> None:
        if self._receive is None:
            await self._loop.create_future()
        else:
            while (await self._receive())["type"] != "http.disconnect":
                pass  # a body that nobody asked for
