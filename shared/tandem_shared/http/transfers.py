"""Bounds of a process's transfers of files: number, memory, and pauses of their clients."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from tandem_shared.errors import BadRequest, Unavailable

PATIENCE_SECONDS = 10
"""The longest wait for a place; then the transfer is refused."""
RETRY_SECONDS = 10
"""Retry-After of a refusal."""
HURRY_SECONDS = 10.0
"""A transfer whose client is silent for so long is ended when another waits for its place."""

_LOOK_SECONDS = 1.0
_PLACES_PER_WAITING = 4
_LEAST_WAITING = 16
"""At most one transfer waits per four places, but always up to 16 do.

The server holds the first bytes of each waiting request in memory."""

T = TypeVar("T")


class TooSlow(BadRequest):
    """The client was silent for too long: HTTP 408."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=408)


class Transfers:
    """Admits transfers while there are places and memory, in the order in which they came."""

    def __init__(self, *, places: int, memory: int, least_rate: float) -> None:
        """`memory` is in bytes; `least_rate`, which clients must keep, in bytes a second."""
        self._places = places
        self._free = memory
        self.least_rate = least_rate
        self._open: set[Transfer] = set()
        self._waiting: deque[_Waiting] = deque()
        self._looked = 0.0

    async def begin(self, need: int, idle_seconds: float) -> "Transfer":
        """Wait for room, and return a transfer that holds `need` bytes: a context manager.

        Its client may be silent for `idle_seconds`. Raises Unavailable after `PATIENCE_SECONDS`
        without room, or at once when too many wait already.
        """
        if not self._waiting and self._has_room(need):
            return Transfer(self, need, idle_seconds)
        if len(self._waiting) >= max(self._places // _PLACES_PER_WAITING, _LEAST_WAITING):
            raise _busy()
        turn: asyncio.Future[Transfer] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(turn, need, idle_seconds)
        self._waiting.append(waiting)
        try:
            for _ in range(PATIENCE_SECONDS):
                self._make_room()
                if (await asyncio.wait([turn], timeout=_LOOK_SECONDS))[0]:
                    return turn.result()
            raise _busy()
        except BaseException:
            if turn.done():
                turn.result().end()
            else:
                self._waiting.remove(waiting)
                self._let_in()  # a smaller one behind it may fit
            raise

    def _has_room(self, need: int) -> bool:
        # A transfer that needs more than all the memory is admitted when it is alone.
        return len(self._open) < self._places and (need <= self._free or not self._open)

    def _let_in(self) -> None:
        while self._waiting and self._has_room(self._waiting[0].need):
            next_one = self._waiting.popleft()
            transfer = Transfer(self, next_one.need, next_one.idle_seconds)
            next_one.turn.set_result(transfer)

    def _make_room(self) -> None:
        """End the transfers with the longest silence, one for each that waits."""
        now = asyncio.get_running_loop().time()
        if now - self._looked < _LOOK_SECONDS / 2:  # every waiting transfer calls this
            return
        self._looked = now
        silent = [each for each in self._open if each.silent_since(now) >= HURRY_SECONDS]
        silent.sort(key=lambda each: each.silent_since(now), reverse=True)
        for each in silent[: len(self._waiting)]:
            each.cut()

    def _take(self, bytes_more: int) -> bool:
        if bytes_more > 0 and (self._waiting or bytes_more > self._free):
            return False
        self._free -= bytes_more
        if bytes_more < 0:
            self._let_in()
        return True


class Transfer:
    """A running transfer: the bytes that it holds, and its client's deadline."""

    __slots__ = ("_all", "_deadline", "_held", "_since", "idle_seconds", "least_rate")

    def __init__(self, of: Transfers, need: int, idle_seconds: float) -> None:
        """Called by `Transfers.begin` alone."""
        self.idle_seconds = idle_seconds
        self.least_rate = of.least_rate
        self._all = of
        self._held = need
        self._since: float | None = None
        self._deadline: asyncio.Timeout | None = None
        of._free -= need
        of._open.add(self)

    def __enter__(self) -> "Transfer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Give back the place and the memory."""
        if self in self._all._open:
            self._all._open.discard(self)
            self._all._free += self._held
            self._all._let_in()

    def hold(self, size: int) -> bool:
        """Ask to hold `size` bytes from now on; returns whether it may. Less is always granted."""
        if not self._all._take(size - self._held):
            return False
        self._held = size
        return True

    async def client(self, call: Awaitable[T], size: int = 0) -> T:
        """The result of `call`, which waits for the client to send or take `size` bytes.

        Raises TooSlow after `idle_seconds`, or the time of `size` bytes at `least_rate` if that is
        longer, and after `HURRY_SECONDS` when others wait for a place.
        """
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        seconds = max(self.idle_seconds, size / self.least_rate)
        try:
            async with asyncio.timeout(seconds) as deadline:
                self._deadline = deadline
                return await call
        except TimeoutError:
            if not deadline.expired():
                raise
            silent = loop.time() - self._since
            raise TooSlow(f"The client kept the service waiting for {silent:.0f} s.") from None
        finally:
            self._since = self._deadline = None

    def silent_since(self, now: float) -> float:
        """The seconds for which it has waited for its client."""
        return 0.0 if self._since is None else now - self._since

    def cut(self) -> None:
        """End the wait for its client now: `client` raises TooSlow."""
        if self._deadline is not None:
            self._deadline.reschedule(asyncio.get_running_loop().time())


@dataclass(eq=False, frozen=True, slots=True)
class _Waiting:
    turn: asyncio.Future[Transfer]
    need: int
    idle_seconds: float


def _busy() -> Unavailable:
    return Unavailable(
        "Too many files are being transferred; try again later.", retry_after=RETRY_SECONDS
    )
