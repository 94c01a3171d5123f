"""Exports of traces as OpenTelemetry's own library makes them."""

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2

TRACE = bytes.fromhex("b79d030d8407b1be258de984e7b45562")
ROOT = bytes.fromhex("23a2227a9de9e160")
CHILD = bytes.fromhex("1c4fcc73f12a1e16")
START = 1795885063779424841
END = 1795885063793732793


def export(
    *spans: trace_pb2.Span, resource: dict[str, Any] | None = None
) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in (resource or {}).items():
        attribute(group.resource, key, value)
    group.scope_spans.add().spans.extend(spans)
    return request


def span(
    span_id: bytes = ROOT,
    parent_id: bytes = b"",
    attributes: dict[str, Any] | None = None,
    **fields: Any,
) -> trace_pb2.Span:
    given = {
        "trace_id": TRACE,
        "name": "step",
        "start_time_unix_nano": START,
        "end_time_unix_nano": END,
    } | fields
    made = trace_pb2.Span(span_id=span_id, parent_span_id=parent_id, **given)
    for key, value in (attributes or {}).items():
        attribute(made, key, value)
    return made


def attribute(owner: Any, key: str, value: Any) -> None:
    member = owner.attributes.add()
    member.key = key
    member.value.CopyFrom(any_value(value))


def any_value(value: Any) -> AnyValue:
    made = AnyValue()
    match value:
        case None:
            pass
        case bool():
            made.bool_value = value
        case str():
            made.string_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(map(any_value, value))
        case dict():
            made.kvlist_value.SetInParent()
            for key, each in value.items():
                made.kvlist_value.values.add(key=key).value.CopyFrom(any_value(each))
        case _:
            raise TypeError(value)
    return made


def as_json(request: ExportTraceServiceRequest, **form: bool) -> bytes:
    """The export in OTLP's JSON; `form` is for protobuf's MessageToDict."""
    return json.dumps(_with_hex_ids(MessageToDict(request, **form))).encode()


def _with_hex_ids(message: Any) -> Any:
    """The JSON of protobuf, whose ids are base64, as that of OTLP."""
    if isinstance(message, list):
        return [_with_hex_ids(each) for each in message]
    if not isinstance(message, dict):
        return message
    return {
        key: (
            base64.b64decode(value).hex().upper()
            if key.lower().replace("_", "") in ("traceid", "spanid", "parentspanid")
            else _with_hex_ids(value)
        )
        for key, value in message.items()
    }
