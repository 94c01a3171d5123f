"""Closing connections whose peers read nothing any more."""

import asyncio

from tandem_shared.tls.server_side import ServerSide

STALL_SECONDS = 10.0
"""How long a transport that is being closed may make no progress with its unsent bytes."""

_LOOK_SECONDS = 0.1
"""How often it is looked whether the rest of an encrypted answer has gone to the socket."""


def abort_if_stalled(transport: asyncio.WriteTransport, tls: ServerSide | None = None) -> None:
    """Abort a transport, which is closed already, once its peer stops reading.

    `close()` waits until every byte is sent, for ever if the peer reads nothing. `tls`: of a
    transport that encrypts, whose `close()` waits for the peer's farewell besides. Clients with an
    idle connection send none; this does not wait for it.
    """
    if tls:
        _close_below(tls, _unsent(tls), asyncio.get_running_loop().time() + STALL_SECONDS)
    elif unsent := transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(STALL_SECONDS, _check, transport, unsent)


def _check(transport: asyncio.WriteTransport, before: int) -> None:
    unsent = transport.get_write_buffer_size()
    if unsent >= before:
        transport.abort()
    elif unsent:
        asyncio.get_running_loop().call_later(STALL_SECONDS, _check, transport, unsent)


def _close_below(tls: ServerSide, before: int, deadline: float) -> None:
    """Close the socket's transport once it has everything, our own farewell at the end."""
    loop = asyncio.get_running_loop()
    unsent = _unsent(tls)
    if unsent < before:
        deadline = loop.time() + STALL_SECONDS
    if not tls.outgoing.pending:
        tls.transport.close()
        abort_if_stalled(tls.transport)
    elif loop.time() < deadline:
        loop.call_later(_LOOK_SECONDS, _close_below, tls, unsent, deadline)
    else:
        tls.transport.abort()


def _unsent(tls: ServerSide) -> int:
    return tls.outgoing.pending + tls.transport.get_write_buffer_size()
