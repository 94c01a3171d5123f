"""`/v1/traces`: spans as OpenTelemetry's protocol has them, from MLflow's client and any other.

Clients give spans up that are answered 4xx, and send them again after 429, 502, 503 and 504. So
what may pass is answered 503, and what can be stored in part is stored in part.
"""

import contextlib
from functools import partial
from typing import Any, Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import rules, writable
from tandem_metadata.batching import span_counts
from tandem_metadata.batching.trace_writer import Overloaded
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action
from tandem_metadata.spans import otlp
from tandem_metadata.store.traces import links
from tandem_metadata.store.traces.changes import INVALID, Logged, LogSpans
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import ApiError, BadRequest, missing_value
from tandem_shared.http.content_encoding import ENCODINGS, decompress
from tandem_shared.http.exchange import request_header
from tandem_shared.http.router import Route, json_response, read_body
from tandem_shared.wire import codec

EXPERIMENT: Final = b"x-mlflow-experiment-id"
RUN: Final = b"x-mlflow-run-id"

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_RULE: Final = rules.new_in_experiment(permissions.TRACE)
_LINKED: Final = rules.run(Action.UPDATE)
_SHOWN: Final = 100
_MANY: Final = 1_000
"""The most characters of reasons that an answer holds."""

_AT_ONCE: Final = 16 * 1024
"""Bodies up to so many bytes are decoded in the event loop: five spans are 3 kB, and 0.5 ms."""

_decoding = Threads("otlp", 1)
"""One thread, so that only one long body at a time needs the memory of its decoding."""


class ExportSpans(Struct):
    """What the headers of a request say."""

    experiment_id: str


class LinkedRun(Struct):
    """The run that a request's traces are linked to."""

    run_id: str


class _Refused(Exception):
    """A request that is refused in the words of MLflow's endpoint, which are not those of others.

    `detail` is what its answer holds.
    """

    def __init__(self, detail: Any, status: int = 400) -> None:
        self.detail = detail
        self.status = status


def routes(context: Context) -> list[Route]:
    """`/v1/traces`, which has no `/api` before it."""

    async def export(request: Request) -> Response:
        try:
            logged = await _export(context, request)
        except _Refused as refused:
            span_counts.REFUSED.labels(span_counts.MALFORMED).inc()
            return json_response(codec.encode_json({"detail": refused.detail}), refused.status)
        except ApiError as error:
            overload = isinstance(error, Overloaded)
            reason = span_counts.OVERLOAD if overload else span_counts.reason_of(error.status)
            span_counts.REFUSED.labels(reason).inc()
            raise
        if not logged.refused:
            return Response(b"", media_type=_PROTOBUF)
        reason = " ".join(logged.reasons)[:_MANY]
        if _form(request)[0]:
            return json_response(
                codec.encode_json(otlp.partial_success_json(logged.refused, reason))
            )
        return Response(otlp.partial_success(logged.refused, reason), media_type=_PROTOBUF)

    span_counts.begin()
    return [Route("POST", "/v1/traces", export, _RULE)]


async def _export(context: Context, request: Request) -> Logged:
    """Store the spans of a request."""
    head = _head(request)
    await context.check(request, _RULE, head)
    is_json, encoding = _form(request)
    limit = context.settings.max_body_bytes
    body = await read_body(request, limit)
    with contextlib.ExitStack() as held:
        held.enter_context(context.trace_writer.holding(len(body)))
        if encoding in ENCODINGS:
            body = await _decompress(body, encoding, limit)
            held.enter_context(context.trace_writer.holding(len(body)))
        read = await _read(body, is_json=is_json)
        size = len(body)
        del body
        change = LogSpans(
            head.experiment_id,
            read.spans,
            run_id=await _run(context, request),
            may_write=writable.experiments(permissions.TRACE),
        )
        logged = await context.trace_writer.log(change)
    span_counts.BYTES.inc(size)
    logged.refused += read.rejected
    logged.reasons += read.reasons
    return logged


def _head(request: Request) -> ExportSpans:
    """The experiment; raises _Refused without its header, InvalidParameter for an empty one."""
    if experiment_id := request_header(request.scope, EXPERIMENT).strip():
        return ExportSpans(experiment_id)
    if any(name == EXPERIMENT for name, _ in request.scope["headers"]):
        raise missing_value(EXPERIMENT.decode(), "give the id of an experiment")
    place = ["header", EXPERIMENT.decode()]
    missing = {"type": "missing", "loc": place, "msg": "Field required", "input": None}
    raise _Refused([missing], 422)


def _form(request: Request) -> tuple[bool, str]:
    """Whether the body is JSON, and its content encoding; raises _Refused for other forms."""
    content_type = request_header(request.scope, b"content-type")
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (_PROTOBUF, _JSON):
        raise _Refused(
            f"Invalid Content-Type: {content_type[:_SHOWN]}. Send {_PROTOBUF} or {_JSON}."
        )
    encoding = request_header(request.scope, b"content-encoding").strip().lower()
    if encoding not in ("", "identity", *ENCODINGS):
        raise _Refused(
            f"Unsupported Content-Encoding: {encoding[:_SHOWN]}. Send gzip, deflate or none."
        )
    return kind == _JSON, encoding


async def _decompress(body: bytes, encoding: str, limit: int) -> bytes:
    try:
        return await _decoding.start(partial(decompress, body, encoding, limit))
    except BadRequest as error:
        if error.status != 400:
            raise
        raise _Refused(error.message) from None


async def _read(body: bytes, *, is_json: bool) -> otlp.Export:
    """The spans of a body; raises _Refused if it is no export, or has no span that can be kept."""
    try:
        if len(body) <= _AT_ONCE:
            read = otlp.read(body, is_json=is_json)
        else:
            read = await _decoding.start(partial(otlp.read, body, is_json=is_json))
    except otlp.Malformed as malformed:
        raise _Refused(str(malformed)) from None
    if read.rejected:
        span_counts.REJECTED.labels(INVALID).inc(read.rejected)
    if read.rejected and not read.spans:
        raise _Refused(f"Cannot convert OpenTelemetry span to MLflow span: {read.reasons[0]}", 422)
    return read


async def _run(context: Context, request: Request) -> str | None:
    """The run to link traces to; None also for one that cannot be, which loses no spans."""
    run_id = request_header(request.scope, RUN).strip()
    if not run_id or len(run_id) > links.LENGTH or "\0" in run_id:
        return None
    if context.gate:
        try:
            # Not the context's: the audit log names the experiment.
            await context.gate.check(request.scope, _LINKED, LinkedRun(run_id))
        except ApiError:
            return None
    return run_id
