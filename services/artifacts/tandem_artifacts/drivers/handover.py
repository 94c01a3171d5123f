"""Hands the bytes that one task receives to another that sends them, and the end of either."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.errors import InvalidParameter


class Handover(AsyncIterator[bytes]):
    """What a sender iterates over that has to come to its end, however its receiver ends.

    A sender that is cancelled leaves a multipart upload open; one whose iterator raises aborts it.
    So a failure of the receiver, and its cancel, become an error of the iterator.

    The event loop calls all methods. One task gives, one takes.
    """

    def __init__(self, piece_bytes: int, most_bytes: int) -> None:
        """Pieces have at least `piece_bytes`, but for the last, and are never empty.

        After `most_bytes` in all, InvalidParameter is raised.
        """
        self._piece_bytes = piece_bytes
        self._most = most_bytes
        self._given = 0
        self._piece: bytes | None = None
        self._failure: Exception | None = None
        self._ended = False
        self._room = asyncio.Event()
        self._room.set()
        self._there = asyncio.Event()

    async def give(
        self, first: list[bytes], more: AsyncIterator[bytes], sending: Coroutine[Any, Any, None]
    ) -> None:
        """Hand over `first`, which this empties, and `more`; returns when `sending` has ended.

        Raises what either raises.
        """
        sender = asyncio.ensure_future(sending)
        sender.add_done_callback(lambda _: self._end())
        try:
            await self._give_all(first, more)
        except BaseException:
            self._end(_Stopped())
            await shielded(_settled(sender))
            raise
        await shielded(sender)

    async def _give_all(self, first: list[bytes], more: AsyncIterator[bytes]) -> None:
        first.reverse()
        piece = bytearray()
        while first:
            piece = await self._grown(piece, first.pop())
        async for chunk in more:
            piece = await self._grown(piece, chunk)
            if self._ended:  # The sender failed: the rest need not come.
                return
        if piece:
            await self._give(piece)
        await self._room.wait()
        self._end()

    async def _grown(self, piece: bytearray, chunk: bytes) -> bytearray:
        """The piece with the chunk; an empty one once it is given away."""
        self._given += len(chunk)
        if self._given > self._most:
            raise InvalidParameter(
                f"The file is larger than {self._most >> 30} GiB, the most that an upload without "
                "a Content-Length may have here."
            )
        piece += chunk
        if len(piece) < self._piece_bytes:
            return piece
        await self._give(piece)
        return bytearray()

    async def _give(self, piece: bytearray) -> None:
        await self._room.wait()
        if not self._ended:
            self._room.clear()
            self._piece = bytes(piece)
            self._there.set()

    async def __anext__(self) -> bytes:
        await self._there.wait()
        if self._failure:
            raise self._failure
        if self._piece is None:
            raise StopAsyncIteration
        piece, self._piece = self._piece, None
        if not self._ended:
            self._there.clear()
        self._room.set()
        return piece

    def _end(self, failure: Exception | None = None) -> None:
        """Nothing comes any more; whoever waits at either side is let go."""
        self._ended = True
        self._failure = failure
        self._there.set()
        self._room.set()


class _Stopped(Exception):
    """The receiver failed, or was cancelled."""


async def _settled(sender: "asyncio.Future[None]") -> None:
    await asyncio.wait([sender])
    if not sender.cancelled():
        sender.exception()  # Looked at, or asyncio complains that nobody did.
