"""Answers that their client does not read: whoever sends them has to wait, and notices."""

import asyncio
import importlib
import socket
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tandem_shared.serving.listener import Listener
from tandem_shared.serving.options import ServerOptions

_PIECE = b"HTTP/1.1 200 OK\r\n".ljust(1024 * 1024, b"x")
_PIECES = 64
_WAITS_SECONDS = 1.0


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
def test_pieces_that_look_like_heads_are_waited_for_as_others(server: str) -> None:
    length = (b"content-length", b"%d" % (_PIECES * len(_PIECE)))
    sent, waited, done = 0, False, asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent, waited
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
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
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(20):
            await done.wait()
        stop.set()
        await asyncio.wait_for(serving, 10)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asyncio.run(main())
    assert waited
    assert sent < _PIECES // 2  # the kernel's buffers and the server's own
