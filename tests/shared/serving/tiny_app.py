"""The application of the small service."""

import asyncio
import atexit
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http import health
from tandem_shared.http.router import Route, Router, json_response, read_json_body
from tandem_shared.observability import metrics
from tandem_shared.observability.instrumentation import Instrumentation
from tandem_shared.security import hosts_and_origins, probe_port
from tandem_shared.serving import run
from tandem_shared.settings import SettingsError, load
from tandem_shared.tls import renewal
from tandem_shared.wire import codec
from tests.shared.serving.tiny import SERVICE, Settings
from tests.undelayed import is_undelayed

renewal.LOOK_SECONDS = float(os.environ.get("TINY_LOOK_SECONDS", renewal.LOOK_SECONDS))
run.FIRST_REQUEST_SECONDS = float(
    os.environ.get("TINY_FIRST_REQUEST_SECONDS", run.FIRST_REQUEST_SECONDS)
)
# Tests of requests that cannot be cut need not wait as long as users would.
run._CLEAN_UP_SECONDS = float(os.environ.get("TINY_CLEAN_UP_SECONDS", run._CLEAN_UP_SECONDS))


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.02)


class StopsWhenFinalized:
    """An exception raised in a finalizer, here by the handler of the signal, is lost."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def fail_from_a_stop() -> None:
    """As Python 3.11 does when `__set_name__` is interrupted, which a dataclass's fields have."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    except BaseException as error:
        raise RuntimeError("Error calling __set_name__") from error


def stop_with_a_half_made_loop() -> None:
    """Event loops make a pair of sockets for themselves half-way through their constructor."""
    make = socket.socketpair

    def stop_first(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        return make(*arguments)

    socket.socketpair = stop_first


def create_app(settings: Settings | None = None) -> ASGIApp:
    settings = settings or load(Settings, os.environ)
    if settings.lost_stop:
        StopsWhenFinalized()
    if settings.spoilt_stop:
        fail_from_a_stop()
    if settings.late_stop:
        atexit.register(signal.raise_signal, signal.SIGTERM)
    if settings.loop_stop:
        stop_with_a_half_made_loop()
    if settings.broken:
        raise SettingsError("--broken was given, so this cannot start.")

    async def greet(_: Request) -> Response:
        answer = {"greeting": settings.greeting, "pid": os.getpid()}
        return json_response(codec.encode_json(answer))

    async def tls(request: Request) -> Response:
        said = request.scope.get("extensions", {}).get("tls")
        answer = {"pid": os.getpid(), "scheme": request.url.scheme, "tls": said}
        return json_response(codec.encode_json(answer))

    async def slow(request: Request) -> Response:
        await asyncio.sleep(float(request.query_params["seconds"]))
        return json_response(b"{}")

    async def held(request: Request) -> Response:
        await anyio.to_thread.run_sync(wait_for, Path(request.query_params["until"]))
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

    async def undelayed(request: Request) -> Response:
        assert request.client
        return json_response(codec.encode_json(is_undelayed(request.client)))

    async def nothing_to_check() -> None:
        await asyncio.sleep(0)

    routes = [
        Route("GET", "/health", health.health, PUBLIC),
        Route("GET", "/ready", health.Probe(nothing_to_check).answer, PUBLIC),
        Route("GET", "/metrics", metrics.metrics, PUBLIC),
        Route("GET", "/greet", greet, PUBLIC),
        Route("GET", "/greet/{name}", greet, PUBLIC),
        Route("GET", "/tls", tls, PUBLIC),
        Route("GET", "/slow", slow, PUBLIC),
        Route("GET", "/held", held, PUBLIC),
        Route("GET", "/block", block, PUBLIC),
        Route("POST", "/echo", echo, PUBLIC),
        Route("GET", "/large", large, PUBLIC),
        Route("GET", "/undelayed", undelayed, PUBLIC),
        Route("GET", "/fail", fail, PUBLIC),
        Route("GET", "/fail-half-way", fail_half_way, PUBLIC),
    ]
    router = Router(routes, prefix=settings.static_prefix)
    secured = hosts_and_origins.secure(router, settings)
    return Instrumentation(probe_port.limited(secured, settings), SERVICE.name)
