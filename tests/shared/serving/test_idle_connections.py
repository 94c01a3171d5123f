"""Connections that nobody uses: closed when it is time, and not before, under each ASGI server."""

import asyncio
import contextlib
import importlib
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tandem_shared.serving.listener import Listener
from tandem_shared.serving.options import ServerOptions

_ALLOWED = 1.0
_LONG = 600.0
_Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_Talk = Callable[..., None]
_ANSWER = b"<" + b"x" * 100 + b">"


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * _ALLOWED)
    headers = [(b"content-length", b"%d" % len(_ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/pause":
        await asyncio.sleep(2 * _ALLOWED)
    await send({"type": "http.response.body", "body": _ANSWER})


@pytest.fixture(params=["hypercorn", "uvicorn"])
def talk(request: pytest.FixtureRequest) -> _Talk:
    """Runs a conversation with a server that allows so many idle seconds; it then has to stop."""
    server: Any = importlib.import_module(f"tandem_shared.serving.{request.param}_server")

    async def main(conversation: _Conversation, allowed: float, first: float) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.setblocking(False)
        stop = asyncio.Event()
        serving = asyncio.create_task(
            server.serve(
                _app,
                Listener(fileno=listener.detach()),
                ServerOptions(
                    graceful_timeout=20,
                    clean_up_timeout=20,
                    first_request_timeout=first,
                    keep_alive_timeout=allowed,
                    backlog=16,
                ),
                until=stop.wait,
            )
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.wait_for(conversation(reader, writer), 15)
        stop.set()
        await asyncio.wait_for(serving, 5)
        writer.close()

    return lambda conversation, allowed, first=None: asyncio.run(
        main(conversation, allowed, first or allowed)
    )


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert await reader.readexactly(len(_ANSWER)) == _ANSWER


@pytest.mark.parametrize("paths", [(), ("/",), ("/", "/")])
def test_one_that_is_not_used_is_closed(talk: _Talk, paths: tuple[str, ...]) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for path in paths:
            await _ask(reader, writer, path)
        assert await reader.read() == b""

    talk(conversation, _ALLOWED)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX: "])
def test_one_that_never_sent_a_request_is_closed_sooner(talk: _Talk, begun: bytes) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        writer.write(begun)
        with contextlib.suppress(ConnectionError):
            while begun and not reader.at_eof():
                await asyncio.sleep(_ALLOWED / 4)
                writer.write(b"x")  # each of them less than the rest of a head
            assert await reader.read() == b""
        assert time.monotonic() - began > _ALLOWED / 2

    talk(conversation, _LONG, _ALLOWED)


def test_one_that_sent_a_request_is_kept_for_longer(talk: _Talk) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _ask(reader, writer, "/")
        await asyncio.sleep(2 * _ALLOWED)
        await _ask(reader, writer, "/")

    talk(conversation, _LONG, _ALLOWED)


@pytest.mark.parametrize("path", ["/", "/slow", "/pause"])
def test_one_that_is_used_is_kept(talk: _Talk, path: str) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        until = time.monotonic() + 2 * _ALLOWED
        while time.monotonic() < until:
            await _ask(reader, writer, path)
            await asyncio.sleep(_ALLOWED / 4)
        await _ask(reader, writer, "/")

    talk(conversation, _ALLOWED)


def test_one_whose_client_is_done_is_closed_at_once(talk: _Talk) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _ask(reader, writer, "/")
        writer.write_eof()
        assert await reader.read() == b""

    talk(conversation, _LONG)


def test_an_idle_one_does_not_delay_the_stop(talk: _Talk) -> None:
    talk(lambda reader, writer: _ask(reader, writer, "/"), _LONG)
