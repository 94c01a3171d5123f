"""Stored documents as answers have them: OTLP in protobuf's JSON, with MLflow's names."""

import base64
import math
from typing import Any, Final

import msgspec
from msgspec import Raw

from tandem_metadata.spans import document
from tandem_metadata.spans.span import Event, Link, Span
from tandem_metadata.spans.translation import translate_type
from tandem_metadata.spans.values import as_text

_DEEPEST: Final = 97
"""Clients read messages in messages to a depth of 100, those around a span included.

A member of an object lies three deeper. Clients send objects that are nested 31 deep at most, and
get these back as they were.
"""

_ATTRIBUTES_DEPTH: Final = 6
"""How deep the value of an event's attribute lies in an answer."""

_CODES: Final = {"OK": "STATUS_CODE_OK", "ERROR": "STATUS_CODE_ERROR"}

_encode = msgspec.json.encode


def encode(content: str) -> Raw:
    """The span of a stored document as JSON for an answer.

    Raises `document.Unreadable` if the document is none of a span.
    """
    span = document.decode(content)
    translate_type(span.attributes)
    return Raw(_encode(_span(span)))


def _span(span: Span) -> dict[str, Any]:
    message: dict[str, Any] = {
        "trace_id": _base64(span.trace_id),
        "span_id": _base64(span.span_id),
    }
    if span.parent_id:
        message["parent_span_id"] = _base64(span.parent_id)
    if span.name:
        message["name"] = span.name
    if span.start_ns:
        message["start_time_unix_nano"] = span.start_ns
    if span.end_ns:
        message["end_time_unix_nano"] = span.end_ns
    if span.attributes:
        message["attributes"] = _attributes(span.attributes)
    if span.events:
        message["events"] = [_event(event) for event in span.events]
    if span.links:
        message["links"] = [_link(link) for link in span.links]
    status = message["status"] = {}
    if span.status_message:
        status["message"] = span.status_message
    if span.status in _CODES:
        status["code"] = _CODES[span.status]
    return message


def _event(event: Event) -> dict[str, Any]:
    message: dict[str, Any] = {}
    if event.time_ns:
        message["time_unix_nano"] = event.time_ns
    if event.name:
        message["name"] = event.name
    if event.attributes:
        message["attributes"] = _attributes(event.attributes)
    return message


def _link(link: Link) -> dict[str, Any]:
    message: dict[str, Any] = {
        "trace_id": _base64(link.trace_id),
        "span_id": _base64(link.span_id),
    }
    if link.attributes:
        message["attributes"] = _attributes(link.attributes)
    return message


def _attributes(attributes: dict[str, Any], depth: int = _ATTRIBUTES_DEPTH) -> list[dict[str, Any]]:
    return [_member(key, value, depth) for key, value in attributes.items()]


def _member(key: str, value: Any, depth: int) -> dict[str, Any]:
    """A key with its value; what is empty is left out."""
    member: dict[str, Any] = {"key": key} if key else {}
    if value is not None:
        member["value"] = _value(value, depth)
    return member


def _value(value: Any, depth: int) -> dict[str, Any]:
    """The value as OTLP's AnyValue. What is nested too deeply for clients becomes its JSON text."""
    if value is None:
        return {}
    if isinstance(value, str):
        return {"string_value": value}
    if isinstance(value, bool):
        return {"bool_value": value}
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return {"int_value": value}
        return _double(value)
    if isinstance(value, float):
        return _double(value)
    if depth > _DEEPEST:
        return {"string_value": as_text(value)}
    if isinstance(value, list):
        elements = [_value(each, depth + 2) for each in value]
        return {"array_value": {"values": elements} if elements else {}}
    members = _attributes(value, depth + 3)
    return {"kvlist_value": {"values": members} if members else {}}


def _double(value: float) -> dict[str, Any]:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isfinite(number):
        return {"double_value": number}
    return {"double_value": as_text(number)}


def _base64(identifier: bytes) -> str:
    return base64.b64encode(identifier).decode()
