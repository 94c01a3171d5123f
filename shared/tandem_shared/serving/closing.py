"""Closing connections whose peers read nothing any more."""

import asyncio

STALL_SECONDS = 10.0
"""How long a transport that is being closed may make no progress with its unsent bytes."""


def abort_if_stalled(transport: asyncio.WriteTransport) -> None:
    """Abort a transport, which is closed already, once its peer stops reading.

    `close()` waits until every byte is sent, for ever if the peer reads nothing.
    """
    if unsent := transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(STALL_SECONDS, _check, transport, unsent)


def _check(transport: asyncio.WriteTransport, before: int) -> None:
    unsent = transport.get_write_buffer_size()
    if unsent >= before:
        transport.abort()
    elif unsent:
        asyncio.get_running_loop().call_later(STALL_SECONDS, _check, transport, unsent)
