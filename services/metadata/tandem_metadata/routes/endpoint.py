"""Endpoints as data, and how each becomes a route: decode once, handle, encode once."""

import contextlib
import copy
import enum
import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Self, TypeVar, TypeVarTuple
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import shown_traces
from tandem_metadata.access.authentication import Authenticator
from tandem_metadata.access.gate import Gate
from tandem_metadata.access.owners import Owners
from tandem_metadata.batching.reader import Reader
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.batching.trace_writer import TraceWriter
from tandem_metadata.batching.writer import Writer
from tandem_metadata.database import Connection
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import CLIENT_RECEIVE
from tandem_metadata.messages.traces import OldTraceInfo, TraceInfo
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.search.sql.registry_compile import ReadableNames
from tandem_metadata.settings import Settings
from tandem_metadata.transfer.export import serving
from tandem_metadata.webhooks.sender import Sender
from tandem_metadata.webhooks.targets import Policy
from tandem_shared.auth.rules import Rule
from tandem_shared.concurrency import threads
from tandem_shared.errors import InvalidParameter
from tandem_shared.http.router import (
    API_PREFIXES,
    MESSAGE,
    Route,
    api_routes,
    json_response,
    read_message,
)
from tandem_shared.wire import codec

R = TypeVar("R", bound=Struct)
V = TypeVar("V")
Args = TypeVarTuple("Args")

BODY_BYTES: Final = 2 * 1024 * 1024
"""The longest body of one value or one search: a prompt of 100,000 characters, 10,000 run ids."""

MANY_BYTES: Final = 8 * 1024 * 1024
"""The longest body of many values: a full batch, in characters of three bytes."""

EXTRA_CONNECTIONS: Final = 2 + serving.AT_ONCE
"""Connections beside those of `Context.threads`.

One is for `background`, one for pages of runs, the others are for exports.
"""

ACCOUNT_THREADS: Final = 4
"""Threads that read and write accounts where these have a database of their own."""

ACCOUNT_CONNECTIONS: Final = ACCOUNT_THREADS + 2
"""Connections to that database: others are for `access.ownership`, in threads of requests."""

POINT_LOOKUPS: Final = 3
"""Connections for statements that find rows by key: of the two writers, and for single runs."""


class Store:
    """Runs functions of the store in threads, each with a connection to one database."""

    def __init__(self, db: Database, threads: Threads) -> None:
        self.db = db
        self.threads = threads

    def read(self, function: Callable[[Connection, *Args], V], *args: *Args) -> Awaitable[V]:
        """What `function` returns, run in a thread with a connection of `Database.read`.

        Raises what the function does, and as `Threads.run` and `Database.read` do.
        """
        return self.threads.run(_within, self.db.read, lambda conn: function(conn, *args))

    def write(self, function: Callable[[Connection, *Args], V], *args: *Args) -> Awaitable[V]:
        """What `function` returns, run in a thread in one transaction of `Database.write`."""
        return self.threads.run(_within, self.db.write, lambda conn: function(conn, *args))

    def retried_write(
        self, function: Callable[[Connection, *Args], V], *args: *Args
    ) -> Awaitable[V]:
        """As `write`, and again after a deadlock: `function` may run several times."""
        return self.threads.run(self.db.run_in_transaction, lambda conn: function(conn, *args))


class Context(Store):
    """What handlers work with. As an async context manager, it ends its threads on exit.

    Each thread uses one connection of the database at most: `settings.pool_size` for `threads`,
    and `EXTRA_CONNECTIONS` and `POINT_LOOKUPS` for the others.
    """

    def __init__(self, settings: Settings, db: Database, accounts: Database | None = None) -> None:
        """`accounts` is the database of accounts, where that is another one."""
        timeout = settings.pool_timeout
        super().__init__(db, Threads(settings.pool_size, timeout, settings.read_timeout or None))
        self.settings = settings
        self.accounts: Store = self
        """The store of accounts."""
        if accounts and accounts is not db:
            self.accounts = Store(accounts, Threads(ACCOUNT_THREADS, timeout))
        self.writer = Writer(db, timeout)
        self.trace_writer = TraceWriter(
            db, timeout, settings.max_body_bytes, lambda: self.writer.is_busy
        )
        self.reader = Reader(db, self.threads, timeout)
        self.exports = serving.Exports(
            db, settings.read_timeout or None, settings.export_disk_bytes
        )
        self.background = threads.Threads("background", 1)
        self.webhook_sender = Sender(Policy.of(settings), settings.webhook_request_timeout)
        self.gate: Gate | None = None
        """What admits requests; None where nobody is authenticated."""
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._opened.callback(self.background.close)  # It may hang: do not wait.
        for each in (self.threads, self.writer, self.trace_writer, self.reader, self.exports):
            self._opened.push_async_callback(each.aclose)
        if self.accounts is not self:
            self._opened.push_async_callback(self.accounts.threads.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    @property
    def authenticator(self) -> Authenticator:
        """What checks credentials, where requests are authenticated."""
        if self.gate is None:
            raise RuntimeError("nobody is authenticated")
        return self.gate.authenticator

    @property
    def owners(self) -> Owners:
        """What tells what resources lie in, where requests are authenticated."""
        if self.gate is None:
            raise RuntimeError("nobody is authenticated")
        return self.gate.owners

    def on_accounts(self) -> "Context":
        """The same, whose store is that of accounts: what endpoints of accounts are bound to."""
        if self.accounts is self:
            return self
        other = copy.copy(self)
        other.db, other.threads = self.accounts.db, self.accounts.threads
        return other

    async def check(self, request: Request, rule: Rule, message: Any) -> None:
        """Raise PermissionDenied for a message that the request's sender may not send."""
        request.scope[MESSAGE] = message
        if self.gate:
            await self.gate.check(request.scope, rule, message)

    async def readable(self, type: str, *also: str) -> Readable | None:
        """Which resources of a type the request's listings show; see `Gate.readable`."""
        return await self.gate.readable(type, *also) if self.gate else None

    async def readable_in(self, experiments: Collection[str], *also: str) -> Readable | None:
        """Which of these experiments the request's listings show; see `Gate.readable_in`."""
        return await self.gate.readable_in(experiments, *also) if self.gate else None

    def withhold(self, found: Iterable[TraceInfo | OldTraceInfo]) -> None:
        """Take out of traces what the request's sender may not read; see `shown_traces`."""
        if self.gate:
            shown_traces.withhold(found)

    async def readable_names(self, *, versions: bool) -> ReadableNames | None:
        """Which names the request's listings show; see `Gate.readable_names`."""
        return await self.gate.readable_names(versions=versions) if self.gate else None


def _within(
    opened: Callable[[], contextlib.AbstractContextManager[Connection]],
    function: Callable[[Connection], V],
) -> V:
    with opened() as conn:
        return function(conn)


class Access(enum.Enum):
    """What an endpoint does to the database."""

    READ = enum.auto()
    """Changes nothing, be it a GET or a POST."""
    WRITE = enum.auto()
    """One transaction."""
    RETRIED_WRITE = enum.auto()
    """One transaction, which is repeated after a deadlock."""


READ, WRITE, RETRIED_WRITE = Access

Answer = Struct | bytes | None
"""A message, JSON that is encoded already, or None for an empty message."""


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[R]):
    """One operation of the API.

    What every operation must declare is a field without a default: a route that lacks it fails at
    import.
    """

    method: str
    path: str
    """The version and what follows it, as `2.0/mlflow/runs/create`.

    `{name}` in the path sets the field of that name. For GET it counts as a query parameter.
    Otherwise it overrides the body, so the field needs a default. A DELETE takes strings that its
    body lacks from the query.
    """
    request: type[R]
    access: Access
    handle: Callable[[Connection, R], Answer] | Callable[[Context, R], Awaitable[Answer]]
    """A function gets a connection for its access, and runs in a thread of `Context.threads`.

    A coroutine function runs in the event loop, and gets its data by the context.
    """
    permission: Rule
    """Who may call it, where requests are authenticated."""
    body_bytes: int = BODY_BYTES
    """The longest body, unless `--max-body-bytes` is less."""
    prefixes: Sequence[str] = API_PREFIXES
    """Below which it is served: one where the web UI and clients mean different things."""


def bind(context: Context, endpoints: Iterable[Endpoint[Any]]) -> list[Route]:
    """Routes for endpoints, under `/api` and `/ajax-api` alike if they do not say otherwise."""
    return [
        route
        for each in endpoints
        for route in api_routes(
            each.method,
            each.path,
            _handler(context, each),
            each.permission,
            reads=each.method == "POST" and each.access is READ,
            prefixes=each.prefixes,
        )
    ]


def _handler(context: Context, endpoint: Endpoint[R]) -> Callable[[Request], Awaitable[Response]]:
    call = _caller(context, endpoint)
    limit = min(context.settings.max_body_bytes, endpoint.body_bytes)

    async def handle(request: Request) -> Response:
        message = await decode(request, endpoint.request, limit)
        request.scope[MESSAGE] = message
        if context.gate:
            await context.gate.check(request.scope, endpoint.permission, message)
        answer = await call(message)
        if answer is None:
            return json_response(b"{}")
        body = answer if isinstance(answer, bytes) else codec.encode_json(answer)
        if context.gate:
            body = await context.gate.shown(body)
        return json_response(body)

    return handle


def _caller(context: Context, endpoint: Endpoint[R]) -> Callable[[R], Awaitable[Answer]]:
    handle: Any = endpoint.handle
    if inspect.iscoroutinefunction(handle):
        return partial(handle, context)
    match endpoint.access:
        case Access.READ:
            return partial(context.read, handle)
        case Access.WRITE:
            return partial(context.write, handle)
        case Access.RETRIED_WRITE:
            return partial(context.retried_write, handle)


async def decode(request: Request, of: type[R], limit: int) -> R:
    """The message of a request, as endpoints get it; a body may have `limit` bytes.

    Lets `Threads` stop reads for the request when its client leaves. Raises as
    `codec.decode_query` and `read_message` do.
    """
    CLIENT_RECEIVE.set(request.receive)
    if request.method in ("GET", "HEAD"):
        # As Starlette's `query_params`, which makes three collections of them.
        query = request.scope["query_string"].decode("latin-1")
        given = parse_qsl(query, keep_blank_values=True)
        return codec.decode_query([*request.path_params.items(), *given], of)
    if request.scope["query_string"] and codec.is_exact(of):
        raise InvalidParameter(
            "Parameters in the URL's query are not read here, so a restriction among them would "
            "not hold; send them in the body."
        )
    message = await read_message(request, of, limit)
    if request.method == "DELETE" and request.query_params:  # MLflow takes either
        for field in msgspec.structs.fields(of):
            named = request.query_params.get(field.name)
            if named and getattr(message, field.name) == "":
                codec.check_storable(field.name, named)
                setattr(message, field.name, named)
    for name, value in request.path_params.items():
        codec.check_storable(name, value)
        setattr(message, name, value)
    return message
