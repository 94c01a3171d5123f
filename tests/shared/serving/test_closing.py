"""Connections that are closed while their clients take nothing in."""

import asyncio
import socket

import pytest

from tandem_shared.serving import closing

pytestmark = pytest.mark.anyio

UNSENT = 20_000_000


async def closed_connection(reader: socket.socket) -> tuple[asyncio.Transport, asyncio.Event]:
    """A transport to `reader`'s other end with much unsent, closed; an event for its end."""
    ended = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def connection_lost(self, _: Exception | None) -> None:
            ended.set()

    listener = socket.create_server(("127.0.0.1", 0))
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(listener.getsockname())
    accepted, _ = listener.accept()
    listener.close()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_accepted_socket(Protocol, accepted)
    transport.write(bytes(UNSENT))
    transport.close()
    closing.abort_if_stalled(transport)
    return transport, ended


async def test_a_client_that_takes_nothing_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "STALL_SECONDS", 0.2)
    with socket.socket() as reader:
        transport, ended = await closed_connection(reader)
        assert transport.get_write_buffer_size()
        await asyncio.wait_for(ended.wait(), 10)


async def test_a_client_that_goes_on_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "STALL_SECONDS", 0.2)

    def read_slowly(reader: socket.socket) -> int:
        total = 0
        while piece := reader.recv(UNSENT // 20):
            total += len(piece)
        return total

    with socket.socket() as reader:
        _, ended = await closed_connection(reader)
        assert await asyncio.to_thread(read_slowly, reader) == UNSENT
        await asyncio.wait_for(ended.wait(), 10)
