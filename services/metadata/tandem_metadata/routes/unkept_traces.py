"""Traces that clients send: dropped, with one refusal per client and ten minutes.

A client warns of every refused trace, that is at every call of a traced function, and no answer
stops it. Therefore only the first trace is refused. For `SECONDS` the next ones are answered as if
kept, with a tag that keeps the client from uploading spans. A client tries to send spans once in
its life; such a request shows that another client has come.
"""

import time
from collections import OrderedDict
from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.routes.endpoint import decode
from tandem_metadata.routes.unsupported import NO_TRACES
from tandem_shared.auth.rules import SIGNED_IN
from tandem_shared.errors import NotSupported
from tandem_shared.http.exchange import request_header
from tandem_shared.http.router import Route, json_response
from tandem_shared.wire import codec

SECONDS = 600.0
"""Pause between two refusals to a client."""

AT_ONCE_SECONDS = 5.0
"""Within this time, a first trace and spans, in either order, are one client's."""

_BODY_BYTES = 1024 * 1024
_REMEMBERED = 1000
_REFUSAL = f"{NO_TRACES} This is said once in {SECONDS / 60:.0f} minutes."
# Clients look for the first sentence; without it they would send every span.
_NO_SPANS = f"REST OTLP span logging is not supported here. {NO_TRACES}"

Sender = tuple[str, str]
"""The address and the experiment of a client."""


class Trace(Struct):
    """A trace without its spans."""

    trace_info: dict[str, Any] = field(default_factory=dict)


class StartTrace(Struct):
    """Request of `traces`."""

    trace: Trace = field(default_factory=Trace)


class Told:
    """When each of the last `_REMEMBERED` senders was told."""

    def __init__(self) -> None:
        self._times: OrderedDict[Sender, float] = OrderedDict()

    def is_due(self, sender: Sender) -> bool:
        """Whether to tell the sender now; if so, it counts as told."""
        if self._age(sender) < SECONDS:
            return False
        self._times[sender] = time.monotonic()
        self._times.move_to_end(sender)
        if len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)
        return True

    def greet(self, sender: Sender) -> None:
        """Forget that the sender was told: another client has come."""
        if self._age(sender) > AT_ONCE_SECONDS:
            self._times.pop(sender, None)

    def _age(self, sender: Sender) -> float:
        return time.monotonic() - self._times.get(sender, float("-inf"))


def routes() -> list[Route]:
    """The endpoints by which clients log traces and spans; the web UI never calls them."""
    told = Told()

    async def take_trace(request: Request) -> Response:
        message = await decode(request, StartTrace, _BODY_BYTES)
        info = message.trace.trace_info
        if not info or told.is_due((_address(request), _experiment(info))):
            raise NotSupported(_REFUSAL)
        tags = {**_object(info, "tags"), "mlflow.trace.spansLocation": "TRACKING_STORE"}
        return json_response(codec.encode_json({"trace": {"trace_info": {**info, "tags": tags}}}))

    async def refuse_spans(request: Request) -> Response:
        experiment = request_header(request.scope, b"x-mlflow-experiment-id")
        told.greet((_address(request), experiment))
        raise NotSupported(_NO_SPANS)

    return [
        Route("POST", "/api/3.0/mlflow/traces", take_trace, SIGNED_IN),
        Route("POST", "/v1/traces", refuse_spans, SIGNED_IN),
    ]


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _experiment(info: dict[str, Any]) -> str:
    location = _object(_object(info, "trace_location"), "mlflow_experiment")
    return str(location.get("experiment_id"))


def _object(of: dict[str, Any], name: str) -> dict[str, Any]:
    value = of.get(name)
    return value if isinstance(value, dict) else {}
