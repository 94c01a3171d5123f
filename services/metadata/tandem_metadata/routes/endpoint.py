"""How a plain function becomes a route: decode once, run in a thread, encode once."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.db import Database, connections_in_use
from tandem_metadata.settings import Settings
from tandem_shared import wire
from tandem_shared.http import Route, api_routes, json_response, read_json_body

R = TypeVar("R", bound=Struct)
P = ParamSpec("P")
V = TypeVar("V")


class Threads:
    """Runs blocking functions in threads, as many at once as the pool has connections.

    One more would only wait for a connection, and hold a thread meanwhile.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size = size
        self._timeout = timeout
        self._limiter: anyio.CapacityLimiter | None = None
        self._free: anyio.Semaphore | None = None

    async def run(self, function: Callable[P, V], *args: P.args, **_: P.kwargs) -> V:
        """The function's result, or what it raises.

        Raises Unavailable when no thread, and so no connection, was free for `timeout` seconds.
        """
        if self._limiter is None or self._free is None:  # they belong to the loop that runs them
            self._limiter = anyio.CapacityLimiter(self._size)
            self._free = anyio.Semaphore(self._size, fast_acquire=True)
        free = self._free
        try:
            free.acquire_nowait()
        except anyio.WouldBlock:
            await self._wait(free)
        try:
            return await anyio.to_thread.run_sync(function, *args, limiter=self._limiter)
        finally:
            free.release()

    async def _wait(self, free: anyio.Semaphore) -> None:
        try:
            with anyio.fail_after(self._timeout):
                await free.acquire()
        except TimeoutError:
            raise connections_in_use() from None


@dataclass(slots=True)
class Context:
    """What handlers work with."""

    settings: Settings
    db: Database
    threads: Threads = field(init=False)

    def __post_init__(self) -> None:
        self.threads = Threads(self.settings.pool_size, self.settings.pool_timeout)


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[R]):
    """One operation of the API.

    `handle` is synchronous, may block on the database, and returns a Struct, or bytes that are JSON
    already.
    """

    method: str
    path: str
    """The version and what follows it, as `2.0/mlflow/runs/create`.

    The path may hold `{name}`, which sets the field of that name: of a GET like a parameter of the
    query, else over what the body says, so that the field needs a default to decode without it.
    """
    request: type[R]
    handle: Callable[[Context, R], object]


def bind(context: Context, endpoints: Iterable[Endpoint[Any]]) -> list[Route]:
    """Routes for endpoints, under `/api` and `/ajax-api` alike."""
    return [
        route
        for endpoint in endpoints
        for route in api_routes(endpoint.method, endpoint.path, _handler(context, endpoint))
    ]


def _handler(context: Context, endpoint: Endpoint[R]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        message = await decode(request, endpoint.request, context.settings.max_body_bytes)
        answer = await context.threads.run(endpoint.handle, context, message)
        return json_response(answer if isinstance(answer, bytes) else wire.encode_json(answer))

    return handle


async def decode(request: Request, of: type[R], limit: int) -> R:
    """The message of a request, as endpoints get it; a body may have `limit` bytes.

    Raises as `wire.decode_json`, `wire.decode_query` and `read_json_body` do.
    """
    if request.method in ("GET", "HEAD"):
        parameters = [*request.path_params.items(), *request.query_params.multi_items()]
        return wire.decode_query(parameters, of)
    message = wire.decode_json(await read_json_body(request, limit), of)
    for name, value in request.path_params.items():
        wire.check_storable(name, value)
        setattr(message, name, value)
    return message
