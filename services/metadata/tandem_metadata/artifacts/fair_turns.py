"""Long transfers that leave the event loop to short requests."""

import asyncio
from collections import deque


class Turns:
    """Lets one of those who wait go on at each turn of the event loop.

    A chunk of an artifact takes about a millisecond of the loop. When all transfers moved one at
    every turn, a short request, which needs several turns, would wait for all of them each time.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Come back when it is the caller's turn; nobody is overtaken."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._let_one_go_on, loop)
        await turn

    def _let_one_go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            turn = self._waiting[0]
            if not turn.done():  # else it is over, or its waiter was cancelled
                turn.set_result(None)
                loop.call_soon(self._let_one_go_on, loop)
                return
            self._waiting.popleft()
