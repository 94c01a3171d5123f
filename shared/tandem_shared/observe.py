"""What wraps every request of a service: its id, its log line and its metrics."""

import logging
import re
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem_shared import prometheus
from tandem_shared.http import ROUTE
from tandem_shared.logs import REQUEST_ID

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_USABLE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_UNMATCHED = "unmatched"
_CLIENT_CLOSED = 499
_log = logging.getLogger("tandem.access")


class Observe:
    """ASGI middleware; the outermost, so that refused requests are seen too."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service
        self._in_flight = prometheus.IN_FLIGHT.labels(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        token = REQUEST_ID.set(request_id)
        status = 0
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(raw=message["headers"])["X-Request-Id"] = request_id
            await send(message)

        try:
            with self._in_flight.track_inprogress():
                await self._app(scope, receive, send_with_id)
        finally:
            if scope.get("tandem.disconnected"):
                status = _CLIENT_CLOSED
            self._record(scope, status or 500, time.perf_counter() - started)
            REQUEST_ID.reset(token)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get(ROUTE, _UNMATCHED)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        prometheus.REQUESTS.labels(self._service, route, method, status).inc()
        prometheus.LATENCY.labels(self._service, route, method).observe(seconds)
        if _log.isEnabledFor(logging.INFO):
            client = scope.get("client")
            fields = {
                "method": method,
                "path": scope["path"],
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
                "client": client[0] if client else None,
            }
            _log.info("request", extra=fields)


def _request_id(scope: Scope) -> str:
    """The caller's `X-Request-Id` if it is fit for a log line, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _USABLE_ID.fullmatch(value):
            given: str = value.decode("ascii")
            return given
    return uuid.uuid4().hex
