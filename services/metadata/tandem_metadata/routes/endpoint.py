"""How a plain function becomes a route: decode once, handle, encode once."""

import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.batching.reader import Reader
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.batching.writer import Writer
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import CLIENT_RECEIVE
from tandem_metadata.settings import Settings
from tandem_shared.concurrency import threads
from tandem_shared.http.router import Route, api_routes, json_response, read_message
from tandem_shared.wire import codec

R = TypeVar("R", bound=Struct)

BODY_BYTES: Final = 2 * 1024 * 1024
"""A body of one value, or of one search: 100,000 characters of a prompt, 10,000 ids of runs."""

MANY_BYTES: Final = 8 * 1024 * 1024
"""A body of many values: all that a batch may hold, in characters of three bytes."""


EXTRA_CONNECTIONS: Final = 2
"""Connections beside those of `Context.threads`: for `background`, and for the reader's pages."""

POINT_LOOKUPS: Final = 2
"""Connections for statements that find rows by their keys: for the writer, and for single runs."""


class Context:
    """What handlers work with. As an async context manager, it ends its threads on exit.

    Each thread uses one connection of the database at most: `settings.pool_size` for `threads`,
    and `EXTRA_CONNECTIONS` and `POINT_LOOKUPS` for the others.
    """

    def __init__(self, settings: Settings, db: Database) -> None:
        self.settings = settings
        self.db = db
        timeout = settings.pool_timeout
        self.threads = Threads(settings.pool_size, timeout, settings.read_timeout or None)
        self.writer = Writer(db, timeout)
        self.reader = Reader(db, self.threads, timeout)
        self.background = threads.Threads("background", 1)
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._opened.callback(self.background.close)  # it may hang, and nobody waits for it
        for each in (self.threads, self.writer, self.reader):
            self._opened.push_async_callback(each.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[R]):
    """One operation of the API.

    `handle` returns a Struct, or bytes that are JSON already. If it is synchronous it runs in a
    thread and may block on the database; a coroutine function runs in the event loop.
    """

    method: str
    path: str
    """The version and what follows it, as `2.0/mlflow/runs/create`.

    The path may hold `{name}`, which sets the field of that name: of a GET like a parameter of the
    query, else over what the body says, so that the field needs a default to decode without it.
    """
    request: type[R]
    handle: Callable[[Context, R], object]
    reads: bool = False
    """Whether a POST changes nothing, as a search."""
    body_bytes: int = BODY_BYTES
    """The longest body, unless `--max-body-bytes` is less."""


def bind(context: Context, endpoints: Iterable[Endpoint[Any]]) -> list[Route]:
    """Routes for endpoints, under `/api` and `/ajax-api` alike."""
    return [
        route
        for endpoint in endpoints
        for route in api_routes(
            endpoint.method, endpoint.path, _handler(context, endpoint), reads=endpoint.reads
        )
    ]


def _handler(context: Context, endpoint: Endpoint[R]) -> Callable[[Request], Awaitable[Response]]:
    in_loop = inspect.iscoroutinefunction(endpoint.handle)

    limit = min(context.settings.max_body_bytes, endpoint.body_bytes)

    async def handle(request: Request) -> Response:
        message = await decode(request, endpoint.request, limit)
        if in_loop:
            answer: object = await endpoint.handle(context, message)  # type: ignore[misc]
        else:
            answer = await context.threads.run(endpoint.handle, context, message)
        return json_response(answer if isinstance(answer, bytes) else codec.encode_json(answer))

    return handle


async def decode(request: Request, of: type[R], limit: int) -> R:
    """The message of a request, as endpoints get it; a body may have `limit` bytes.

    From here on, what `Threads` reads for the request is stopped when its client leaves. Raises as
    `codec.decode_query` and `read_message` do.
    """
    CLIENT_RECEIVE.set(request.receive)
    if request.method in ("GET", "HEAD"):
        parameters = [*request.path_params.items(), *request.query_params.multi_items()]
        return codec.decode_query(parameters, of)
    message = await read_message(request, of, limit)
    for name, value in request.path_params.items():
        codec.check_storable(name, value)
        setattr(message, name, value)
    return message
