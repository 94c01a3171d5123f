"""A service small enough to test serving with; started through `python -m tests.shared.tiny`."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from tandem_shared import health, prometheus, security, wire
from tandem_shared import settings as settings_table
from tandem_shared.http import Route, Router, json_response, read_json_body
from tandem_shared.observe import Observe
from tandem_shared.serve import Service, command, run
from tandem_shared.settings import CommonSettings, SettingsError, setting


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    greeting: str = setting("hello", "What to say.", env="TINY_GREETING")
    body_limit: int = setting(1000, "Largest body.", env="TINY_BODY_LIMIT")
    broken: bool = setting(False, "Fail to start in the worker.", env="TINY_BROKEN")
    lost_stop: bool = setting(False, "Lose a stop while starting.", env="TINY_LOST_STOP")
    loop_stop: bool = setting(False, "Stop as the loop is made.", env="TINY_LOOP_STOP")


SERVICE = Service("tiny", "tests.shared.tiny:Settings", "tests.shared.tiny:create_app")


class StopsWhenFinalized:
    """An exception raised in a finalizer, here by the handler of the signal, is lost."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def stop_with_a_half_made_loop() -> None:
    """Event loops make a pair of sockets for themselves half-way through their constructor."""
    make = socket.socketpair

    def stop_first(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        return make(*arguments)

    socket.socketpair = stop_first


def create_app() -> ASGIApp:
    settings = settings_table.load(Settings, os.environ)
    if settings.lost_stop:
        StopsWhenFinalized()
    if settings.loop_stop:
        stop_with_a_half_made_loop()
    if settings.broken:
        raise SettingsError("--broken was given, so this cannot start.")

    async def greet(_: Request) -> Response:
        answer = {"greeting": settings.greeting, "pid": os.getpid()}
        return json_response(wire.encode_json(answer))

    async def slow(request: Request) -> Response:
        await asyncio.sleep(float(request.query_params["seconds"]))
        return json_response(b"{}")

    async def block(request: Request) -> Response:
        await anyio.to_thread.run_sync(time.sleep, float(request.query_params["seconds"]))
        return json_response(b"{}")

    async def echo(request: Request) -> Response:
        return json_response(await read_json_body(request, settings.body_limit))

    async def large(_: Request) -> Response:
        return Response(bytes(32 * 1024 * 1024))

    async def fail(_: Request) -> Response:
        raise RuntimeError("a secret of the inside")

    async def fail_half_way(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"the first half"
            raise RuntimeError("no second half")

        length = request.query_params.get("length")
        return StreamingResponse(chunks(), headers={"Content-Length": length} if length else None)

    async def nothing_to_check() -> None:
        await asyncio.sleep(0)

    routes = [
        Route("GET", "/health", health.health),
        Route("GET", "/ready", health.ready(nothing_to_check)),
        Route("GET", "/metrics", prometheus.metrics),
        Route("GET", "/greet", greet),
        Route("GET", "/greet/{name}", greet),
        Route("GET", "/slow", slow),
        Route("GET", "/block", block),
        Route("POST", "/echo", echo),
        Route("GET", "/large", large),
        Route("GET", "/fail", fail),
        Route("GET", "/fail-half-way", fail_half_way),
    ]
    router = Router(routes, prefix=settings.static_prefix)
    return Observe(security.secure(router, settings), SERVICE.name)


def main() -> int:
    flags = dict(argument.removeprefix("--").split("=", 1) for argument in sys.argv[1:])
    known = {item.name for item in fields(Settings)}
    assert set(flags) <= known
    return command(lambda: run(SERVICE, settings_table.load(Settings, os.environ, flags)))


if __name__ == "__main__":
    sys.exit(main())
