"""The end of connections whose clients take nothing in any more."""

import asyncio

STALL_SECONDS = 10.0
"""How long a connection that is being closed may send nothing of what it still has."""


def bound(transport: asyncio.WriteTransport) -> None:
    """Give a transport up, once it is closed, when its peer takes nothing in.

    Closing waits until all is sent: with a peer that reads nothing, for ever.
    """
    if unsent := transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(STALL_SECONDS, _look, transport, unsent)


def _look(transport: asyncio.WriteTransport, before: int) -> None:
    unsent = transport.get_write_buffer_size()
    if unsent >= before:
        transport.abort()
    elif unsent:
        asyncio.get_running_loop().call_later(STALL_SECONDS, _look, transport, unsent)
