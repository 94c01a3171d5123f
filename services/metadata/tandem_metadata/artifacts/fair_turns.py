"""Round-robin scheduling of long transfers, so that short requests get the event loop."""

import asyncio
from collections import deque


class FairTurns:
    """Resumes one waiting transfer per iteration of the event loop, first in, first out.

    A chunk of an artifact occupies the loop for about a millisecond, and a short request needs
    several iterations. If every transfer moved a chunk in each iteration, the short request would
    wait for all transfers several times.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return when it is the caller's turn; callers are resumed in the order of their calls."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._release_next, loop)
        await turn

    def _release_next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting[0]
            if not turn.done():  # done: already resumed, or its waiter was cancelled
                turn.set_result(None)
                loop.call_soon(self._release_next, loop)
                return
            self._waiting.popleft()
