"""The outermost middleware: request ids, access log, metrics, `Connection: close` at a stop."""

import functools
import logging
import random
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem_shared import __version__
from tandem_shared.errors import ApiError
from tandem_shared.http.exchange import with_headers
from tandem_shared.http.health import READINESS
from tandem_shared.http.router import ROUTE
from tandem_shared.observability import logs, metrics
from tandem_shared.observability.audit import AuditLog
from tandem_shared.observability.logs import REQUEST_ID

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_USABLE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_UNMATCHED = "unmatched"
_CLIENT_CLOSED = 499
_FAILED = 500
_CONNECTION_CLOSE = (b"connection", b"close")
_log = logging.getLogger("tandem.access")


class Instrumentation:
    """ASGI middleware that gives each request an id, and logs and counts it with its status.

    It is the outermost, so that it, and the audit log, see refused requests too. It records the
    answer's status, or 499 if the client left early or read too slowly, or 500 if the service broke
    the answer off.

    Once the process is to stop, each HTTP/1 answer has `Connection: close`. A Kubernetes Service
    leads no new connections to a pod that stops, but keeps the old ones. Without the header, their
    clients would send requests until the server closed a connection under one of them.
    """

    def __init__(self, app: ASGIApp, service: str, audit: AuditLog | None = None) -> None:
        self._app = app
        self._audit = audit
        self._service = service
        metrics.BUILD_INFO.labels(service, __version__).set(1)
        self._in_flight = metrics.IN_FLIGHT.labels(service)
        # `labels()` costs more than `inc()`. Fixed sets of label values bound the cache.
        self._requests = functools.cache(functools.partial(metrics.REQUESTS.labels, service))
        self._latency = functools.cache(functools.partial(metrics.LATENCY.labels, service))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        token = REQUEST_ID.set(request_id)
        header = [(b"x-request-id", request_id.encode("ascii"))]
        status = 0
        complete = False
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                own = header
                if READINESS.draining and scope["http_version"].startswith("1"):
                    own = [*header, _CONNECTION_CLOSE]  # HTTP/2 forbids the header.
                message["headers"] = with_headers(message["headers"], own)
            await send(message)
            complete = not message.get("more_body") and message["type"] == "http.response.body"

        self._in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
            if not complete:
                status = _CLIENT_CLOSED
        except BaseException as error:
            by_client = isinstance(error, ApiError) and error.status < _FAILED
            status = _CLIENT_CLOSED if by_client else _FAILED
            raise
        finally:
            self._in_flight.dec()
            self._record(scope, status, time.perf_counter() - started)
            if self._audit:
                self._audit.note(scope, status, request_id)
            REQUEST_ID.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get(ROUTE, _UNMATCHED)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._requests(route, method, status).inc()
        self._latency(route, method).observe(seconds)
        client = scope.get("client")
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "client": client[0] if client else None,
        }
        logs.info(_log, "request", fields)


def _request_id(scope: Scope) -> str:
    """The caller's `X-Request-Id` if it matches `_USABLE_ID`, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _USABLE_ID.fullmatch(value):
            given: str = value.decode("ascii")
            return given
    # The id must be unique, not secret: `os.urandom` would cost a system call.
    return f"{random.getrandbits(128):032x}"
