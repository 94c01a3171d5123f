"""Connections that are closed while their clients take nothing in."""

import asyncio
import socket
import ssl
import threading
from functools import partial
from pathlib import Path

import pytest

from tandem_shared.serving import closing
from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile
from tandem_shared.tls.server_side import TRANSPORT, ServerContext, server_side
from tests.harness.certificates import HERE, Authority

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


class Encrypted:
    """A connection by TLS that is closed with much unsent, and its client in a thread."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.create(folder)
        certificate, key = self.authority.issue("tls", HERE)
        files = Files(certificate=PemFile("--tls-cert", certificate), key=PemFile("--tls-key", key))
        make = partial(contexts.of_server, files, ask_client=ssl.CERT_NONE, http2=False)
        self.context = ServerContext(files, make, "server")
        self.read = threading.Event()
        """Whether the client goes on after its handshake."""

    def receive(self, address: tuple[str, int]) -> int:
        """What the client does; how much it got."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        with socket.socket() as bare:
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            bare.connect(address)
            with context.wrap_socket(bare, server_hostname="localhost") as client:
                self.read.wait(20)
                total = 0
                while piece := client.recv(UNSENT // 20):
                    total += len(piece)
        return total

    async def close_with_much_unsent(self) -> tuple["asyncio.Future[int]", asyncio.Event]:
        """What the client gets, and an event for the connection's end."""
        ended = asyncio.Event()

        class Protocol(asyncio.Protocol):
            def connection_lost(self, _: Exception | None) -> None:
                ended.set()

        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = loop.run_in_executor(None, self.receive, listener.getsockname())
            accepted, _ = await loop.run_in_executor(None, listener.accept)
        bare, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        TRANSPORT.set(bare)
        transport = await loop.start_tls(bare, Protocol(), self.context, server_side=True)
        assert transport
        below = server_side(transport)
        assert below
        transport.write(bytes(UNSENT))
        transport.close()
        closing.abort_if_stalled(transport, below)
        return client, ended


async def test_a_client_by_tls_that_takes_nothing_in_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "STALL_SECONDS", 0.2)
    encrypted = Encrypted(tmp_path)
    client, ended = await encrypted.close_with_much_unsent()
    await asyncio.wait_for(ended.wait(), 10)
    encrypted.read.set()
    assert await client < UNSENT


async def test_a_client_by_tls_that_goes_on_gets_everything_and_need_not_say_goodbye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "STALL_SECONDS", 2)
    encrypted = Encrypted(tmp_path)
    encrypted.read.set()
    client, ended = await encrypted.close_with_much_unsent()
    assert await client == UNSENT
    await asyncio.wait_for(ended.wait(), 10)
