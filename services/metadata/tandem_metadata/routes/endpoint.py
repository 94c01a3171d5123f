"""How a plain function becomes a route: decode once, run in a thread, encode once."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.db import Database
from tandem_metadata.settings import Settings
from tandem_shared import wire
from tandem_shared.http import Route, api_routes, json_response, read_json_body

R = TypeVar("R", bound=Struct)


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers work with."""

    settings: Settings
    db: Database


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[R]):
    """One operation of the API.

    `handle` is synchronous, may block on the database, and returns a Struct, or bytes that are JSON
    already.
    """

    method: str
    path: str
    """The version and what follows it, as `2.0/mlflow/runs/create`; may hold `{name}`."""
    request: type[R]
    handle: Callable[[Context, R], object]


def bind(context: Context, endpoints: Iterable[Endpoint[Any]]) -> list[Route]:
    """Routes for endpoints, under `/api` and `/ajax-api` alike.

    As many handlers run at once as the pool has connections: one more would only wait for one.
    """
    limiter: list[anyio.CapacityLimiter] = []
    routes: list[Route] = []
    for endpoint in endpoints:
        handle = _handler(context, endpoint, limiter)
        routes += api_routes(endpoint.method, endpoint.path, handle)
    return routes


def _handler(
    context: Context, endpoint: Endpoint[R], shared_limiter: list[anyio.CapacityLimiter]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        if not shared_limiter:  # made late: a limiter belongs to the event loop that runs it
            shared_limiter.append(anyio.CapacityLimiter(context.settings.pool_size))
        message = await _decode(request, endpoint.request, context.settings.max_body_bytes)
        answer = await anyio.to_thread.run_sync(
            endpoint.handle, context, message, limiter=shared_limiter[0]
        )
        return json_response(answer if isinstance(answer, bytes) else wire.encode_json(answer))

    return handle


async def _decode(request: Request, of: type[R], limit: int) -> R:
    if request.method in ("GET", "HEAD"):
        return wire.decode_query(request.query_params.multi_items(), of)
    return wire.decode_json(await read_json_body(request, limit), of)
