"""Bytes that a thread writes while the event loop sends them."""

import asyncio
import io
import threading
from typing import Any, Final

from tandem_metadata.database.read_cancellation import Abandoned
from tandem_shared.concurrency.threads import call_in_loop

_PART: Final = 256 * 1024
_PARTS: Final = 4
"""Parts that may wait to be sent, so that whoever writes waits for a slow client."""

MEMORY: Final = _PART * (_PARTS + 2)
"""Bytes that a pipe holds at most, beside what is written at once."""


class Pipe(io.RawIOBase):
    """What a thread writes, in parts. It must be ended, or abandoned.

    `write` and `end` are called by the thread, the other methods by the event loop.
    """

    def __init__(self, patience: float) -> None:
        """`patience`: seconds after which a part that nobody takes counts as abandoned."""
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._parts: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = threading.Semaphore(_PARTS)
        self._pending = bytearray()
        self._abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Take bytes, once there is room; raises Abandoned when nobody wants them."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PART):
            self._pending += view[start : start + _PART]
            if len(self._pending) >= _PART:
                self._pass_on()
        return len(view)

    def end(self) -> None:
        """Pass on what is left; the loop then takes an empty part."""
        if self._pending:
            self._pass_on()
        call_in_loop(self._loop, self._parts.put_nowait, b"")

    def _pass_on(self) -> None:
        waited = self._abandoned or not self._room.acquire(timeout=self._patience)
        if waited or self._abandoned:
            raise Abandoned
        call_in_loop(self._loop, self._parts.put_nowait, bytes(self._pending))
        self._pending.clear()

    async def take(self) -> bytes:
        """The next part; empty at the end, or when it was cut off."""
        part = await self._parts.get()
        self._room.release()
        return part

    def cut(self) -> None:
        """Have `take` return at once: whoever writes has failed."""
        self._parts.put_nowait(b"")

    def abandon(self) -> None:
        """Have `write` raise: nobody wants what comes."""
        self._abandoned = True
        self._room.release()
