"""Reads an ExportTraceServiceRequest of OTLP in JSON.

Ids are hexadecimal there. Names are in camelCase, or as in protobuf's schema.
"""

import base64
import binascii
import json
import re
from typing import Any, Final

import msgspec

from tandem_metadata.spans import batch
from tandem_metadata.spans.batch import Batch
from tandem_metadata.spans.span import Event, Link, Span
from tandem_metadata.spans.values import (
    MAX_DEPTH,
    MAX_VALUES,
    TOO_DEEP,
    Allowance,
    Malformed,
    Refused,
    TooLarge,
    storable,
)
from tandem_shared.wire import json_values

_STATUSES: Final = {
    1: "OK",
    2: "ERROR",
    "STATUS_CODE_OK": "OK",
    "STATUS_CODE_ERROR": "ERROR",
}
_CAPITAL = re.compile("[A-Z]")
_MAX_VALUES: Final = 3 * MAX_VALUES
"""The most values of the JSON text. An attribute has seven, with its names and wrappers."""

_DEEPEST: Final = 32 + 4 * MAX_DEPTH
"""How deep the JSON text is read where it is nested deeper than decoders follow.

An object within an attribute takes four levels. What lies deeper is in none that is kept.
"""
_CUT_BYTES: Final = 4 * 2**20
"""The largest such text that is read: to cut it takes a second at most."""


def decode(body: bytes) -> Batch:
    """The spans of a body. Raises Malformed if it is not such a request."""
    if json_values.more_than(body, _MAX_VALUES):
        raise TooLarge("it holds too many values; export smaller batches")
    request = _parse(body)
    if not isinstance(request, dict):
        raise Malformed("the body is not a JSON object")
    reader = _Reader()
    try:
        resource_spans = _list(request, "resourceSpans")
        if not resource_spans:
            raise Malformed("no spans found")
        for each in resource_spans:
            reader.resource_spans(_object(each))
    except Refused as refused:  # what is around the spans
        raise Malformed(str(refused).rstrip(".")) from None
    return reader.batch


def _parse(body: bytes) -> Any:
    try:
        return _decoded(body)
    except RecursionError:
        pass
    if len(body) > _CUT_BYTES:
        raise Malformed("the body is nested too deeply; export smaller batches")
    return _decoded(json_values.cut(body, _DEEPEST))


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:  # JavaScript writes half surrogate pairs, and Python NaN: msgspec reads neither
        return json.loads(body)
    except ValueError:
        raise Malformed("the body is not valid JSON") from None


class _Reader:
    __slots__ = ("_allowance", "batch")

    def __init__(self) -> None:
        self._allowance = Allowance()
        self.batch = Batch()

    def resource_spans(self, group: dict[str, Any]) -> None:
        resource: dict[str, Any] = {}
        for attribute in _list(_object(_get(group, "resource")), "attributes"):
            try:
                self._member(attribute, resource, MAX_DEPTH)
            except Refused:
                continue  # an attribute of the resource is no reason to refuse its spans
        for scope in _list(group, "scopeSpans"):
            for span in _list(_object(scope), "spans"):
                try:
                    kept = batch.complete(self._span(_object(span), resource), self._allowance)
                except Refused as refused:
                    self.batch.refuse(str(refused))
                else:
                    self.batch.spans.append(kept)

    def _span(self, span: dict[str, Any], resource: dict[str, Any]) -> Span:
        self._allowance.take_span()
        status = _object(_get(span, "status"))
        code = _get(status, "code")
        links = [self._link(_object(link)) for link in _list(span, "links")]
        return Span(
            trace_id=_id(span, "traceId"),
            span_id=_id(span, "spanId"),
            parent_id=_id(span, "parentSpanId") or None,
            name=_string(span, "name"),
            start_ns=_integer(_get(span, "startTimeUnixNano"), "startTimeUnixNano"),
            end_ns=_integer(_get(span, "endTimeUnixNano"), "endTimeUnixNano"),
            status=_STATUSES.get(code, "UNSET") if isinstance(code, int | str) else "UNSET",
            status_message=_string(status, "message"),
            attributes=self._attributes(span),
            events=[self._event(_object(event)) for event in _list(span, "events")],
            links=[link for link in links if link is not None],
            resource=resource,
        )

    def _event(self, event: dict[str, Any]) -> Event:
        self._allowance.take()
        time_ns = _integer(_get(event, "timeUnixNano"), "timeUnixNano")
        return batch.event(_string(event, "name"), time_ns, self._attributes(event))

    def _link(self, link: dict[str, Any]) -> Link | None:
        self._allowance.take()
        attributes = self._attributes(link)
        try:
            trace_id, span_id = _id(link, "traceId"), _id(link, "spanId")
        except Refused:
            return None  # as one whose ids no span can have
        return batch.link(trace_id, span_id, attributes)

    def _attributes(self, owner: dict[str, Any]) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        for attribute in _list(owner, "attributes"):
            self._member(attribute, attributes, MAX_DEPTH)
        return attributes

    def _member(self, pair: Any, members: dict[str, Any], depth: int) -> None:
        self._allowance.take()
        pair = _object(pair)
        members[_string(pair, "key")] = self._value(_get(pair, "value"), depth)

    def _value(self, wrapped: Any, depth: int) -> Any:
        for name, value in _object(wrapped).items():
            kind = name if name.endswith("Value") else _camel(name)
            if value is None:
                continue
            match kind:
                case "stringValue":
                    return _plain_string(value, kind)
                case "boolValue":
                    if not isinstance(value, bool):
                        raise Refused("A boolValue is not true or false.")
                    return value
                case "intValue":
                    return _number(value)
                case "doubleValue":
                    return _double(value)
                case "arrayValue" | "kvlistValue" if depth == 0:
                    return TOO_DEEP
                case "arrayValue":
                    elements = _list(_object(value), "values")
                    self._allowance.take(len(elements))
                    return [self._value(each, depth - 1) for each in elements]
                case "kvlistValue":
                    members: dict[str, Any] = {}
                    for member in _list(_object(value), "values"):
                        self._member(member, members, depth - 1)
                    return members
                case "bytesValue":
                    return _base64(value)
        return None


def _get(owner: dict[str, Any], name: str) -> Any:
    """A field by its name in camelCase, or else by that in protobuf's schema."""
    value = owner.get(name)
    return owner.get(_snake(name)) if value is None else value


def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda capital: f"_{capital[0].lower()}", name)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused("A message of a span is not a JSON object.")
    return value


def _list(owner: dict[str, Any], name: str) -> list[Any]:
    value = _get(owner, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"The field {name} is not a list.")
    return value


def _string(owner: dict[str, Any], name: str) -> str:
    value = _get(owner, name)
    return "" if value is None else _plain_string(value, name)


def _plain_string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Refused(f"The field {name} is not a string.")
    return storable(value)


def _id(owner: dict[str, Any], name: str) -> bytes:
    value = _get(owner, name)
    if value is None:
        return b""
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError):
        raise Refused(f"The field {name} is not hexadecimal.") from None


def _integer(value: Any, name: str) -> int:
    """An integer, which JavaScript writes as a string if it is long."""
    if value is None:
        return 0
    try:
        if isinstance(value, str | int) and not isinstance(value, bool):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
    except ValueError:
        pass
    raise Refused(f"The field {name} is not an integer.")


def _number(value: Any) -> int | float:
    """An intValue. JavaScript sends every number without a fraction as one, whatever its size."""
    integer = _integer(value, "intValue")
    if -(2**63) <= integer < 2**63:
        return integer
    try:
        return float(integer)
    except OverflowError:
        raise Refused("An intValue is larger than a double holds.") from None


def _double(value: Any) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return _refuse_double()
    return _refuse_double()


def _refuse_double() -> float:
    raise Refused("A doubleValue is not a number.")


def _base64(value: Any) -> str:
    try:
        return base64.b64encode(base64.b64decode(value + "=" * (-len(value) % 4))).decode()
    except (TypeError, ValueError, binascii.Error):
        raise Refused("A bytesValue is not base64.") from None
