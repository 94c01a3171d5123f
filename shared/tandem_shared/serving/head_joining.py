"""One system call for an answer's head and the first bytes of its body, under both ASGI servers.

Each server writes them one after the other. A system call lets other threads take the interpreter,
which costs more than the rest of a small answer.
"""

import asyncio
from collections.abc import Callable

_JOINED_BYTES = 64 * 1024
"""Longer pieces are written apart: to copy them would cost more than a system call."""


class HeadJoiner:
    """Holds back the head of an answer until its body begins, for one turn of the loop at most.

    Only the server knows which bytes are a head, since a body may look like one. Heads are short
    and every answer has one, so held bytes escape the transport's flow control without harm.
    """

    __slots__ = ("_call_soon", "_head", "_write")

    def __init__(self, write: Callable[[bytes], None], loop: asyncio.AbstractEventLoop) -> None:
        self._write = write
        self._call_soon = loop.call_soon
        self._head = b""

    def hold(self, head: bytes) -> None:
        """Write `head` with what `join` gets next, or alone in the loop's next turn."""
        if self._head:
            self.flush()
        self._head = head
        self._call_soon(self.flush)

    def join(self, data: bytes) -> bytes:
        """The bytes to write now in place of `data`: the held head, if there is one, and `data`."""
        if not self._head:
            return data
        if len(data) > _JOINED_BYTES:
            self.flush()
            return data
        self._head, head = b"", self._head
        return head + data

    def flush(self) -> None:
        """Write the held head now, if there is one."""
        if self._head:
            self._head, head = b"", self._head
            self._write(head)
