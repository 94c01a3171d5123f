"""HTTP for both services: routes as data, exact paths in a dict, errors as JSON.

A route's path may hold `{name}` for one segment and `{name:path}` for the rest. Paths without
either are found by one dict look-up; only the others are tried in turn.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Final, Self, TypeVar
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tandem_shared.auth.rules import SIGNED_IN, Guard, Rule
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import (
    ApiError,
    BadRequest,
    EndpointNotFound,
    Internal,
    InvalidParameter,
    Unauthenticated,
    Unavailable,
)
from tandem_shared.http.exchange import Exchange, request_header
from tandem_shared.wire import codec

T = TypeVar("T", bound=Struct)

Handler = Callable[[Request], Awaitable[Response]]

_Found = tuple[Handler, Rule, bool]
"""What handles a request, what it asks of its sender, and whether it may change something."""

ROUTE = "tandem.route"
"""Scope key of the template of the route that took the request; metrics use it as a label."""

CHANGES = "tandem.changes"
"""Scope key of whether the request may change something."""

MESSAGE = "tandem.message"
"""Scope key of the request's decoded message, if it has one; the audit log names its object."""

API, UI_API = "/api", "/ajax-api"
"""What paths begin with: those that clients ask, and those that the web UI asks."""

API_PREFIXES = (API, UI_API)
"""Every API path is served for clients under the first, for the web UI under the second."""

IDLE_SECONDS = 60.0
"""The longest pause within the body of a JSON request."""

DECODED_AT_ONCE: Final = 64 * 1024
"""Bodies up to so many bytes are decoded in the event loop, in less time than a thread costs."""

BODIES_BYTES: Final = 128 * 1024 * 1024
"""Bytes of long bodies that a process holds at once: clients may send them slowly."""

_decoding = Threads("json", 1)
"""One thread, so that only one long body at a time needs the memory of its decoding."""

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_PARAMETER = re.compile(r"\{(?P<name>\w+)(?P<rest>:path)?\}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path."""

    method: str
    path: str
    handle: Handler
    permission: Rule
    """What it asks of whoever calls it, where requests are authenticated."""
    reads: bool = False
    """Whether a POST changes nothing, as a search does. Its path must have no parameters."""

    @property
    def changes(self) -> bool:
        """Whether a request may change something."""
        return not self.reads and self.method not in ("GET", "HEAD")


def api_routes(
    method: str,
    path: str,
    handle: Handler,
    permission: Rule,
    *,
    reads: bool = False,
    prefixes: Sequence[str] = API_PREFIXES,
) -> list[Route]:
    """A route below `/api` and one below `/ajax-api`; `path` begins with the version."""
    return [Route(method, f"{prefix}/{path}", handle, permission, reads) for prefix in prefixes]


def json_response(body: bytes, status: int = 200) -> Response:
    """An answer of encoded JSON."""
    return Response(body, status, media_type="application/json")


def error_response(error: ApiError) -> Response:
    """An error in MLflow's format, with Retry-After or WWW-Authenticate if the error has one."""
    body = codec.encode_json({"error_code": error.code, "message": error.message})
    response = json_response(body, error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        if error.location:
            headers = {"Location": error.location, "Cache-Control": "no-store"}
            return Response(status_code=303, headers=headers)
        response.headers["WWW-Authenticate"] = error.challenge
    return response


async def read_message(request: Request, of: type[T], limit: int) -> T:
    """The message of a JSON request; raises as `read_json_body` and `codec.decode_json` do."""
    with _Body() as body:
        await _read(request, body, limit)
        if len(body.read) <= DECODED_AT_ONCE:
            return codec.decode_json(bytes(body.read), of)
        return await _decoding.start(partial(codec.decode_json, body.read, of))


async def read_json_body(request: Request, limit: int) -> bytes:
    """The whole body of a JSON request.

    Raises:
    - InvalidParameter, as MLflow does, when the content type is not JSON. A page of another origin
      could send such a request without a preflight. And when the body has a content encoding.
    - BadRequest when the body exceeds `limit` bytes (413), or pauses for `IDLE_SECONDS` (408).
    - Unavailable when all long bodies together exceed `BODIES_BYTES`.

    """
    with _Body() as body:
        await _read(request, body, limit)
        return bytes(body.read)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body of a request, as it was sent: of any content type and encoding.

    Raises BadRequest and Unavailable as `read_json_body` does.
    """
    with _Body() as body:
        await _read(request, body, limit, None)
        return bytes(body.read)


async def read_form(request: Request, limit: int) -> dict[str, str]:
    """The fields of a form that a page has sent; of several of one name the last counts.

    Raises InvalidParameter for what is no such form, or cannot be stored, and otherwise as
    `read_json_body` does. Pages of any origin can send one: the caller looks where it comes from.
    """
    with _Body() as body:
        await _read(request, body, limit, _FORM)
        try:
            fields = dict(parse_qsl(body.read.decode(), keep_blank_values=True, errors="strict"))
        except ValueError:
            raise InvalidParameter("The form is malformed: it must be in UTF-8.") from None
    for name, value in fields.items():
        codec.check_storable(name, value)
    return fields


class _Body:
    """The bytes of a body that have arrived; those of long bodies are counted while it is open."""

    __slots__ = ("_counted", "read")

    held = 0
    """Bytes of all long bodies of this process."""

    def __init__(self) -> None:
        self.read = bytearray()
        self._counted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _Body.held -= self._counted

    def add(self, piece: bytes) -> None:
        """Append; raises Unavailable when all long bodies together exceed `BODIES_BYTES`."""
        self.read += piece
        if (size := len(self.read)) > DECODED_AT_ONCE:
            _Body.held += size - self._counted
            self._counted = size
            if _Body.held > BODIES_BYTES:
                raise Unavailable("Too many long requests arrive at once; try again later.")


async def _read(request: Request, body: _Body, limit: int, kind: str | None = _JSON) -> None:
    content_type = request_header(request.scope, b"content-type").split(";", 1)[0].strip().lower()
    encoding = request_header(request.scope, b"content-encoding").strip().lower()
    declared = request_header(request.scope, b"content-length")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)
    clock = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(IDLE_SECONDS) as idle:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body.add(message.get("body", b""))
                if len(body.read) > limit:
                    raise too_large(limit)
                if kind and body.read and content_type != kind:
                    raise InvalidParameter(f"Content-Type must be {kind}, not '{content_type}'.")
                if kind and body.read and encoding not in ("", "identity"):
                    raise InvalidParameter(
                        f"The request body is encoded as '{encoding}'; send it without "
                        "Content-Encoding."
                    )
                if not message.get("more_body"):
                    return
                idle.reschedule(clock.time() + IDLE_SECONDS)
    except TimeoutError:
        raise BadRequest(
            f"Nothing of the request body came for {IDLE_SECONDS:g} seconds.", status=408
        ) from None


def too_large(limit: int) -> BadRequest:
    """The error for a body over the limit: HTTP 413."""
    return BadRequest(f"The request body is larger than the limit of {limit} bytes.", status=413)


class Router:
    """An ASGI application that hands each request to its route and renders errors."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        prefix: str = "",
        fallback: Handler | None = None,
        gate: Callable[[str | None], None] | None = None,
        guard: Guard | None = None,
        lifespan: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
    ) -> None:
        """`prefix` goes before every path; `fallback` answers paths that no route has.

        `gate` is called with the template of each request's route, or None, before the request is
        handled, and raises ApiError when it may not be now.

        `guard` is awaited before each request whose route is not public, and raises ApiError for
        one that may not be sent. Without it nobody is authenticated. A path that no route has
        asks for a user: strangers are not told which paths there are.

        `lifespan` is entered before the first request comes, in the event loop that serves, and
        left once no more requests come. It must not raise.
        """
        self._lifespan = lifespan
        self._gate = gate
        self._guard = guard
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], str, dict[str, Route]]] = []
        self._prefix = prefix
        self._start = re.compile(rf"\A/+{re.escape(prefix[1:])}/+" if prefix else r"\A/+")
        self._fallback = fallback or _no_such_endpoint
        by_path: dict[str, dict[str, Route]] = {}
        self.reads: set[str] = set()
        """Paths whose POST changes nothing."""
        for route in routes:
            if route.reads:
                self.reads.add(prefix + route.path)
            methods = by_path.setdefault(route.path, {})
            if route.method in methods:
                raise ValueError(f"{route.method} {route.path} is declared twice")
            methods[route.method] = route
        for path, methods in by_path.items():
            if _PARAMETER.search(path):
                self._patterns.append((_pattern(prefix + path), path, methods))
            else:
                self._exact[prefix + path] = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        if "//" in scope["path"]:
            scope["path"] = self._start.sub(f"{self._prefix}/", scope["path"], count=1)
        exchange = Exchange(receive, send)
        try:
            handle, rule, changes = self._find(scope)
            scope[CHANGES] = changes
            if self._gate:
                self._gate(scope.get(ROUTE))
            if self._guard and not rule.public:
                await self._guard(scope, rule, changes)
            response = await handle(Request(scope, exchange.receive))
            if response.status_code >= 400 and not isinstance(response, StreamingResponse):
                await exchange.refuse(response, scope)
            else:
                await exchange.drain_request(scope)
                await response(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            _log.debug("the client left")
        except asyncio.CancelledError:
            # A stop cancels requests in flight. An ASGI server would answer 500, as for a fault.
            if exchange.answering:
                raise
            stopped = Unavailable("The service stops and has not finished this; try again.")
            await exchange.refuse(error_response(stopped), scope, patient=False)
        except ApiError as error:
            if exchange.answering:
                # A client that stalls is not the operator's concern; a store that fails is.
                level = logging.INFO if error.status < 500 else logging.WARNING
                _log.log(level, "an answer was broken off: %s", error.message)
                raise
            await exchange.refuse(error_response(error), scope)
        except Exception:
            _log.exception("unhandled error")
            if exchange.answering:
                raise
            failure = Internal("The server failed; its log has the reason.")
            await exchange.refuse(error_response(failure), scope)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        async with self._lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()  # lifespan.shutdown
        await send({"type": "lifespan.shutdown.complete"})

    def _find(self, scope: Scope) -> _Found:
        path: str = scope["path"]
        if methods := self._exact.get(path):
            template = path.removeprefix(self._prefix)
            return self._choose(scope, template, methods)
        for pattern, template, methods in self._patterns:
            if match := pattern.fullmatch(path):
                scope["path_params"] = match.groupdict()
                return self._choose(scope, template, methods)
        return self._fallback, SIGNED_IN, False

    def _choose(self, scope: Scope, template: str, methods: Mapping[str, Route]) -> _Found:
        scope[ROUTE] = template
        method: str = scope["method"]
        if route := methods.get(method):
            return route.handle, route.permission, route.changes
        if method == "HEAD" and (route := methods.get("GET")):
            return _without_body(route.handle), route.permission, False
        return _method_not_allowed(methods), SIGNED_IN, False


def _pattern(path: str) -> re.Pattern[str]:
    parts, end = [], 0
    for match in _PARAMETER.finditer(path):
        parts.append(re.escape(path[end : match.start()]))
        parts.append(f"(?P<{match['name']}>{'.+' if match['rest'] else '[^/]+'})")
        end = match.end()
    return re.compile("".join(parts) + re.escape(path[end:]), re.DOTALL)


def _without_body(handle: Handler) -> Handler:
    async def head(request: Request) -> Response:
        response = await handle(request)
        bare = Response(status_code=response.status_code, headers=response.headers)
        if "content-length" not in response.headers:
            del bare.headers["content-length"]  # Starlette's, of the empty body
        return bare

    return head


def _method_not_allowed(methods: Mapping[str, Route]) -> Handler:
    allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))

    async def refuse(request: Request) -> Response:
        response = error_response(
            BadRequest(
                f"The method is not allowed: {request.method} is none of this path; use {allowed}.",
                status=405,
            )
        )
        response.headers["Allow"] = allowed
        return response

    return refuse


def no_such_endpoint(path: str) -> EndpointNotFound:
    """The error for a path that no route has."""
    return EndpointNotFound(f"The path {path} was not found on the server: no endpoint has it.")


async def _no_such_endpoint(request: Request) -> Response:
    raise no_such_endpoint(request.scope["path"])
