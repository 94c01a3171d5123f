"""Answers that their client does not read, and bodies that the application does not."""

import asyncio
import importlib
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tandem_shared.serving.listener import Listener
from tandem_shared.serving.options import ServerOptions

_PIECE = b"HTTP/1.1 200 OK\r\n".ljust(1024 * 1024, b"x")
_PIECES = 64
_WAITS_SECONDS = 1.0

Answer = Callable[[Receive, Send], Awaitable[None]]

pytestmark = pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])


def test_pieces_that_look_like_heads_are_waited_for_as_others(server: str) -> None:
    length = (b"content-length", b"%d" % (_PIECES * len(_PIECE)))
    sent, waited, done = 0, False, asyncio.Event()

    async def answer(receive: Receive, send: Send) -> None:
        nonlocal sent, waited
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        try:
            for _ in range(_PIECES):
                async with asyncio.timeout(_WAITS_SECONDS):
                    await send({"type": "http.response.body", "body": _PIECE, "more_body": True})
                sent += 1
                await asyncio.sleep(0)
        except TimeoutError:
            waited = True
        finally:
            client.close()
            done.set()

    async def ask() -> None:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await done.wait()

    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        _serve(server, answer, client, ask)
    assert waited
    assert sent < _PIECES // 2  # the kernel's buffers and the server's own


@pytest.mark.parametrize("fails", [False, True])
def test_a_request_whose_body_nobody_reads_ends_with_its_answer(server: str, fails: bool) -> None:
    """Whether the answer is the application's, or the server's because the former fails."""
    left: list[bool] = []

    async def answer(receive: Receive, send: Send) -> None:
        await asyncio.sleep(_WAITS_SECONDS)  # as much as may wait has come by then
        if fails:
            raise ValueError("as a faulty application does")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"early"})
        left.append((await receive())["type"] == "http.disconnect")

    def upload() -> None:
        head = b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
        client.settimeout(20)
        with suppress(ConnectionError):
            client.sendall(head)
            client.sendall(bytes(64 * len(_PIECE)))

    async def ask() -> None:
        await asyncio.to_thread(upload)

    with socket.socket() as client:
        _serve(server, answer, client, ask)
    assert left == ([] if fails else [True])


def _serve(
    server: str, answer: Answer, client: socket.socket, ask: Callable[[], Awaitable[None]]
) -> None:
    """Serve the answer until the client, which is connected, has asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await answer(receive, send)
            return
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    async def main() -> None:
        module: Any = importlib.import_module(f"tandem_shared.serving.{server}_server")
        stop = asyncio.Event()
        serving = asyncio.create_task(
            module.serve(
                app,
                Listener(fileno=listener.detach()),
                ServerOptions(
                    graceful_timeout=20,
                    clean_up_timeout=20,
                    first_request_timeout=600,
                    keep_alive_timeout=600,
                    backlog=16,
                ),
                until=stop.wait,
            )
        )
        await asyncio.to_thread(client.connect, address)
        async with asyncio.timeout(20):
            await ask()
        stop.set()
        await asyncio.wait_for(serving, 10)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    asyncio.run(main())
