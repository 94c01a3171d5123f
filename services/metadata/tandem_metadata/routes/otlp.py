"""`/v1/traces`: spans as OpenTelemetry's protocol has them, from MLflow's client and any other.

Clients give spans up that are answered 4xx, and send them again after 429, 502, 503 and 504. So
what may pass is answered 503, and what can be stored in part is stored in part.
"""

from functools import partial
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import rules, writable
from tandem_metadata.batching.trace_writer import REJECTED
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action
from tandem_metadata.spans import otlp
from tandem_metadata.store.traces import links
from tandem_metadata.store.traces.changes import Logged, LogSpans
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
_MISSING: Final = {
    "detail": [
        {
            "type": "missing",
            "loc": ["header", EXPERIMENT.decode()],
            "msg": "Field required",
            "input": None,
        }
    ]
}
_RULE: Final = rules.new_in_experiment(permissions.TRACE)
_MANY: Final = 1_000
"""The most characters of reasons that an answer holds."""

_AT_ONCE: Final = 16 * 1024
"""Bodies up to so many bytes are decoded in the event loop: five spans are 3 kB, and 0.5 ms."""

_decoding = Threads("otlp", 1)
"""One thread, so that only one long body at a time needs the memory of its decoding."""


class ExportSpans(Struct):
    """What the headers of a request say."""

    experiment_id: str


def routes(context: Context) -> list[Route]:
    """`/v1/traces`, which has no `/api` before it."""
    limit = context.settings.max_body_bytes

    async def export(request: Request) -> Response:
        head = ExportSpans(request_header(request.scope, EXPERIMENT).strip())
        if not head.experiment_id:
            if any(name == EXPERIMENT for name, _ in request.scope["headers"]):
                raise missing_value("x-mlflow-experiment-id", "give the id of an experiment")
            return json_response(codec.encode_json(_MISSING), 422)
        await context.check(request, _RULE, head)
        content_type = request_header(request.scope, b"content-type")
        is_json = (kind := content_type.partition(";")[0].strip().lower()) == _JSON
        if kind not in (_PROTOBUF, _JSON):
            return _refused(f"Invalid Content-Type: {content_type[:100]}. Send {_PROTOBUF}.")
        encoding = request_header(request.scope, b"content-encoding").strip().lower()
        if encoding not in ("", "identity", *ENCODINGS):
            return _refused(f"Unsupported Content-Encoding: {encoding[:100]}. Send gzip.")
        body = await read_body(request, limit)
        writer = context.trace_writer
        with writer.holding(len(body)):
            plain = 0
            if encoding in ENCODINGS:
                try:
                    body = await _decoding.start(partial(decompress, body, encoding, limit))
                except BadRequest as error:
                    if error.status != 400:
                        raise
                    return _refused(error.message)
                plain = len(body)
            with writer.holding(plain):
                try:
                    read = await _read(body, is_json=is_json)
                except otlp.Malformed as malformed:
                    return _refused(f"Invalid OpenTelemetry format: {malformed}")
                del body
                REJECTED.inc(read.rejected)
                if read.rejected and not read.spans:
                    detail = f"Cannot convert OpenTelemetry span to MLflow span: {read.reasons[0]}"
                    return json_response(codec.encode_json({"detail": detail}), 422)
                logged = Logged(read.rejected, [*read.reasons])
                change = LogSpans(
                    head.experiment_id,
                    read.spans,
                    run_id=await _run(context, request),
                    may_write=writable.experiments(permissions.TRACE),
                )
                stored = await writer.log(change)
        for reason in stored.reasons:
            logged.refuse(0, reason)
        logged.refused += stored.refused
        return _answer(logged)

    return [Route("POST", "/v1/traces", export, _RULE)]


async def _read(body: bytes, *, is_json: bool) -> otlp.Export:
    if len(body) <= _AT_ONCE:
        return otlp.read(body, is_json=is_json)
    return await _decoding.start(partial(otlp.read, body, is_json=is_json))


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


class LinkedRun(Struct):
    """The run that a request's traces are linked to."""

    run_id: str


_LINKED: Final = rules.run(Action.UPDATE)


def _answer(logged: Logged) -> Response:
    body = b""
    if logged.refused:
        body = otlp.partial_success(logged.refused, " ".join(logged.reasons)[:_MANY])
    return Response(body, media_type=_PROTOBUF)


def _refused(detail: str) -> Response:
    return json_response(codec.encode_json({"detail": detail}), 400)
