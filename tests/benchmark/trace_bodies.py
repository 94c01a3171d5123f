"""Traces as clients send them, with places for what differs from one trace to the next.

A body is a list of pieces: a text, or the name of what is put in its place. Python fills them to
make what is read, and load.lua to make a load.
"""

import json
import re
import struct
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.proto.trace.v1 import trace_pb2

from tests.metadata.spans import exports

SPANS: Final = 10
"""Of a trace."""
TOGETHER: Final = 10
"""Traces that are sent in one request, where several are."""
LARGE: Final = 10_000
"""Spans of a large request."""

PROTOBUF: Final = "application/x-protobuf"
EXPORT: Final = "/v1/traces"
START: Final = "/api/3.0/mlflow/traces"

Piece = Mapping[str, bytes | str]
"""`text`, or `slot`: the name of what stands there."""
Body = list[Piece]

_ID: Final = b"\xfe<THE TRACE ID>\xff"
_BEGIN: Final = b"\xfdBEGIN>\xff"
_END: Final = b"\xfdENDS->\xff"
_TIME: Final = b"<the time>"
_SLOTS: Final = {
    _ID: "id",
    _ID.hex().encode(): "hex",
    _BEGIN: "begin",
    _END: "end",
    _TIME: "time",
}
_PLACE: Final = re.compile(b"(" + b"|".join(map(re.escape, _SLOTS)) + b")")
_TOOK_NS: Final = 48_000_000
_WORDS: Final = "The quick brown fox jumps over the lazy dog and asks what comes after it. "
_CLIENT: Final = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.2",
}


def pieces(body: bytes) -> Body:
    """The body with places for what differs."""
    parts = enumerate(_PLACE.split(body))
    return [{"slot": _SLOTS[part]} if odd % 2 else {"text": part} for odd, part in parts if part]


def filled(body: Body, trace_id: bytes, begin_ns: int) -> bytes:
    """The body of one trace."""
    slots = {
        "id": trace_id,
        "hex": trace_id.hex().encode(),
        "begin": struct.pack("<Q", begin_ns),
        "end": struct.pack("<Q", begin_ns + _TOOK_NS),
        "time": datetime.fromtimestamp(begin_ns // 10**6 / 1000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
        .encode(),
    }
    return b"".join(piece.get("text") or slots[str(piece["slot"])] for piece in body)  # type: ignore[misc]


def exported(each: int = SPANS) -> list[Body]:
    """A trace of ten spans, so many a request; children come first, and the root last."""
    spans = [_span(number) for number in range(SPANS - 1, -1, -1)]
    return [pieces(_export(spans[at : at + each])) for at in range(0, SPANS, each)]


def started(experiment: str) -> Body:
    """What MLflow's client says of the trace, beside its spans."""
    usage = json.dumps({"input_tokens": 120, "output_tokens": 30, "total_tokens": 150})
    sizes = {"total_size_bytes": 6100, "num_spans": SPANS, "max": 840, "p25": 590, "p50": 600}
    info = {
        "trace_id": f"tr-{_ID.hex()}",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": experiment},
        },
        "request_time": _TIME.decode(),
        "execution_duration": "0.048s",
        "state": "OK",
        "trace_metadata": {
            "mlflow.trace_schema.version": "3",
            "mlflow.user": "someone",
            "mlflow.source.name": "agent.py",
            "mlflow.source.type": "LOCAL",
            "mlflow.trace.session": "session-7",
            "mlflow.trace.sizeStats": json.dumps(sizes),
            "mlflow.trace.tokenUsage": usage,
        },
        "tags": {"mlflow.traceName": "answer", "env": "production"},
        "request_preview": json.dumps({"question": _WORDS}),
        "response_preview": json.dumps(_WORDS),
    }
    return pieces(json.dumps({"trace": {"trace_info": info}}).encode())


def large(trace_id: bytes) -> bytes:
    """One trace of very many small spans."""
    parent = _span_id(0)
    now = time.time_ns()
    spans = [
        exports.span(
            _span_id(number),
            parent if number else b"",
            {"mlflow.spanType": '"TOOL"', "mlflow.spanInputs": json.dumps({"row": number})},
            trace_id=trace_id,
            name=f"step_{number % 10}",
            start_time_unix_nano=now + number,
            end_time_unix_nano=now + number + _TOOK_NS,
        )
        for number in range(LARGE)
    ]
    return _export(spans)


def headers(experiment: str) -> dict[str, str]:
    """Of a request with spans."""
    return {"Content-Type": PROTOBUF, "x-mlflow-experiment-id": experiment}


def sequence(
    experiment: str, each: int = SPANS, *, start: bool = False, together: int = 1
) -> dict[str, Any]:
    """What load.lua sends of each trace, over and over: its spans, and then its start.

    So many spans of a trace are in a request, or so many traces with all of theirs.
    """
    requests = [
        {"path": EXPORT, "headers": headers(experiment), "pieces": body} for body in exported(each)
    ]
    if start:
        told = {"Content-Type": "application/json"}
        requests.append({"path": START, "headers": told, "pieces": started(experiment)})
    return {"sequence": requests, "together": together}


def _export(spans: Sequence[trace_pb2.Span]) -> bytes:
    body: bytes = exports.export(*spans, resource=_CLIENT).SerializeToString()
    return body


def _span(number: int) -> trace_pb2.Span:
    """One of ten: a root, steps, tools that these call, and one call of a model."""
    kind = {0: "AGENT", SPANS - 1: "LLM"}.get(number, ("CHAIN", "TOOL")[number % 2])
    asked = {"question": _WORDS, "step": number}
    attributes = {
        "mlflow.traceRequestId": json.dumps(f"tr-{_ID.hex()}"),
        "mlflow.spanType": json.dumps(kind),
        "mlflow.spanFunctionName": json.dumps(f"step_{number}"),
        "mlflow.spanInputs": json.dumps(asked),
        "mlflow.spanOutputs": json.dumps(_WORDS * 2),
    }
    if kind == "LLM":
        usage = {"input_tokens": 120, "output_tokens": 30, "total_tokens": 150}
        attributes |= {
            "mlflow.llm.model": json.dumps("gpt-4o"),
            "mlflow.llm.provider": json.dumps("openai"),
            "mlflow.chat.tokenUsage": json.dumps(usage),
        }
    span = exports.span(
        _span_id(number),
        _span_id((number - 1) // 2) if number else b"",
        attributes,
        trace_id=_ID,
        name="answer" if number == 0 else f"step_{number}",
        status=trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_OK),
    )
    span.start_time_unix_nano = struct.unpack("<Q", _BEGIN)[0]
    span.end_time_unix_nano = struct.unpack("<Q", _END)[0]
    return span


def _span_id(number: int) -> bytes:
    return struct.pack(">Q", number + 1)
