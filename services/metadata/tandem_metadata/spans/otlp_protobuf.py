"""Reads an ExportTraceServiceRequest of OTLP in protobuf."""

import base64
import struct
from collections.abc import Iterator
from typing import Any, Final

from tandem_metadata.spans import batch
from tandem_metadata.spans.batch import Batch
from tandem_metadata.spans.protobuf import (
    BYTES,
    FIXED64,
    VARINT,
    after_length,
    double,
    fields,
    fixed64,
    signed,
    tag,
    text,
)
from tandem_metadata.spans.span import Event, Link, Span
from tandem_metadata.spans.values import MAX_DEPTH, TOO_DEEP, Allowance, Malformed, Refused

# ExportTraceServiceRequest, ResourceSpans, ScopeSpans and Resource.
_RESOURCE_SPANS: Final = tag(1, BYTES)
_RESOURCE: Final = tag(1, BYTES)
_SCOPE_SPANS: Final = tag(2, BYTES)
_SPAN: Final = tag(2, BYTES)
_RESOURCE_ATTRIBUTE: Final = tag(1, BYTES)

# Span.
_TRACE_ID: Final = tag(1, BYTES)
_SPAN_ID: Final = tag(2, BYTES)
_PARENT_ID: Final = tag(4, BYTES)
_NAME: Final = tag(5, BYTES)
_START: Final = tag(7, FIXED64)
_END: Final = tag(8, FIXED64)
_ATTRIBUTE: Final = tag(9, BYTES)
_EVENT: Final = tag(11, BYTES)
_LINK: Final = tag(13, BYTES)
_STATUS: Final = tag(15, BYTES)

# Event, Link and Status.
_EVENT_TIME: Final = tag(1, FIXED64)
_EVENT_NAME: Final = tag(2, BYTES)
_EVENT_ATTRIBUTE: Final = tag(3, BYTES)
_LINK_ATTRIBUTE: Final = tag(4, BYTES)
_STATUS_MESSAGE: Final = tag(2, BYTES)
_STATUS_CODE: Final = tag(3, VARINT)
_STATUSES: Final = {1: "OK", 2: "ERROR"}

# KeyValue, AnyValue, and the lists within.
_KEY: Final = tag(1, BYTES)
_VALUE: Final = tag(2, BYTES)
_STRING: Final = tag(1, BYTES)
_BOOL: Final = tag(2, VARINT)
_INT: Final = tag(3, VARINT)
_DOUBLE: Final = tag(4, FIXED64)
_ARRAY: Final = tag(5, BYTES)
_KEY_VALUES: Final = tag(6, BYTES)
_BINARY: Final = tag(7, BYTES)
_ELEMENT: Final = tag(1, BYTES)


def decode(body: bytes) -> Batch:
    """The spans of a body. Raises Malformed if it is not such a request."""
    reader = _Reader(body)
    try:
        reader.read()
    except Malformed:
        raise
    except (IndexError, struct.error):
        raise Malformed("the body ends within a field") from None
    return reader.batch


class _Reader:
    __slots__ = ("_allowance", "_body", "batch")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._allowance = Allowance()
        self.batch = Batch()

    def read(self) -> None:
        empty = True
        for field, start, end in self._fields(0, len(self._body)):
            if field == _RESOURCE_SPANS:
                empty = False
                self._resource_spans(start, end)
        if empty:
            raise Malformed("no spans found")

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        return fields(self._body, at, end, self._allowance)

    def _resource_spans(self, at: int, end: int) -> None:
        resource: dict[str, Any] = {}
        scopes = []
        for field, start, stop in self._fields(at, end):
            if field == _SCOPE_SPANS:
                self._allowance.take()
                scopes.append((start, stop))
            elif field == _RESOURCE:
                self._resource(start, stop, resource)
        for at, end in scopes:
            for field, start, stop in self._fields(at, end):
                if field == _SPAN:
                    try:
                        span = batch.complete(self._span(start, stop, resource), self._allowance)
                    except Refused as refused:
                        self.batch.refuse(str(refused))
                    else:
                        self.batch.spans.append(span)

    def _resource(self, at: int, end: int, resource: dict[str, Any]) -> None:
        for field, start, stop in self._fields(at, end):
            if field == _RESOURCE_ATTRIBUTE:
                try:
                    self._member(start, stop, resource, MAX_DEPTH)
                except Refused:
                    continue  # an attribute of the resource is no reason to refuse its spans

    def _span(self, at: int, end: int, resource: dict[str, Any]) -> Span:
        body = self._body
        self._allowance.take_span()
        trace_id = span_id = parent_id = b""
        name = message = ""
        started = ended = code = 0
        attributes: dict[str, Any] = {}
        events: list[Event] = []
        links: list[Link] = []
        for field, start, stop in self._fields(at, end):
            if field == _ATTRIBUTE:
                self._member(start, stop, attributes, MAX_DEPTH)
            elif field == _TRACE_ID:
                trace_id = body[start:stop]
            elif field == _SPAN_ID:
                span_id = body[start:stop]
            elif field == _PARENT_ID:
                parent_id = body[start:stop]
            elif field == _NAME:
                name = text(body, start, stop)
            elif field == _START:
                started = fixed64(body, start)
            elif field == _END:
                ended = fixed64(body, start)
            elif field == _STATUS:
                for part, first, last in self._fields(start, stop):
                    if part == _STATUS_CODE:
                        code = first
                    elif part == _STATUS_MESSAGE:
                        message = text(body, first, last)
            elif field == _EVENT:
                events.append(self._event(start, stop))
            elif field == _LINK:
                self._link(start, stop, links)
        return Span(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id or None,
            name=name,
            start_ns=started,
            end_ns=ended,
            status=_STATUSES.get(code, "UNSET"),
            status_message=message,
            attributes=attributes,
            events=events,
            links=links,
            resource=resource,
        )

    def _event(self, at: int, end: int) -> Event:
        body = self._body
        self._allowance.take()
        name = ""
        time_ns = 0
        attributes: dict[str, Any] = {}
        for field, start, stop in self._fields(at, end):
            if field == _EVENT_ATTRIBUTE:
                self._member(start, stop, attributes, MAX_DEPTH)
            elif field == _EVENT_NAME:
                name = text(body, start, stop)
            elif field == _EVENT_TIME:
                time_ns = fixed64(body, start)
        return batch.event(name, time_ns, attributes)

    def _link(self, at: int, end: int, links: list[Link]) -> None:
        body = self._body
        self._allowance.take()
        trace_id = span_id = b""
        attributes: dict[str, Any] = {}
        for field, start, stop in self._fields(at, end):
            if field == _TRACE_ID:
                trace_id = body[start:stop]
            elif field == _SPAN_ID:
                span_id = body[start:stop]
            elif field == _LINK_ATTRIBUTE:
                self._member(start, stop, attributes, MAX_DEPTH)
        link = batch.link(trace_id, span_id, attributes)
        if link is not None:
            links.append(link)

    def _member(self, at: int, end: int, members: dict[str, Any], depth: int) -> None:
        body = self._body
        self._allowance.take()
        if self._is_text(at, end, members):
            return
        key = ""
        value = None
        for field, start, stop in self._fields(at, end):
            if field == _KEY:
                key = text(body, start, stop)
            elif field == _VALUE:
                value = self._value(start, stop, depth)
        members[key] = value

    def _is_text(self, at: int, end: int, members: dict[str, Any]) -> bool:
        """Read a key and a text with nothing else, as most members are; or do nothing.

        To go through the fields of member and value takes twice as long.
        """
        body = self._body
        if at == end or body[at] != _KEY:
            return False
        key, key_end = after_length(body, at + 1)
        if key_end >= end or body[key_end] != _VALUE:
            return False
        value, value_end = after_length(body, key_end + 1)
        if value_end != end or value == end or body[value] != _STRING:
            return False
        first, last = after_length(body, value + 1)
        if last != end:
            return False
        self._allowance.take_fields(3)
        members[text(body, key, key_end)] = text(body, first, last)
        return True

    def _value(self, at: int, end: int, depth: int) -> Any:
        body = self._body
        value: Any = None
        for field, start, stop in self._fields(at, end):
            if field == _STRING:
                value = text(body, start, stop)
            elif field == _INT:
                value = signed(start)
            elif field == _BOOL:
                value = start != 0
            elif field == _DOUBLE:
                value = double(body, start)
            elif depth == 0 and field in (_KEY_VALUES, _ARRAY):
                value = TOO_DEEP
            elif field == _KEY_VALUES:
                value = {}
                for part, first, last in self._fields(start, stop):
                    if part == _ELEMENT:
                        self._member(first, last, value, depth - 1)
            elif field == _ARRAY:
                value = []
                for part, first, last in self._fields(start, stop):
                    if part == _ELEMENT:
                        self._allowance.take()
                        value.append(self._value(first, last, depth - 1))
            elif field == _BINARY:
                value = base64.b64encode(body[start:stop]).decode()
        return value
