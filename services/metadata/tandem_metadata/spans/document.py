"""The document as which a span is stored, and as which MLflow's server reads it."""

import base64
import json
from typing import Any, Final

import msgspec
from msgspec import Struct

from tandem_metadata.rules.json_numbers import with_words
from tandem_metadata.spans.batch import SPAN_ID_BYTES, TRACE_ID_BYTES, trace_id
from tandem_metadata.spans.span import Event, Link, Span
from tandem_metadata.spans.values import as_text

_CODES: Final = {
    "UNSET": "STATUS_CODE_UNSET",
    "OK": "STATUS_CODE_OK",
    "ERROR": "STATUS_CODE_ERROR",
}
_STATUSES: Final = {code: status for status, code in _CODES.items()} | {
    status: status
    for status in _CODES  # as MLflow 3.5 wrote them
}


class Unreadable(Exception):
    """A stored document that is none of a span."""


class _Status(Struct):
    code: str = "STATUS_CODE_UNSET"
    message: str | None = ""


class _Event(Struct):
    name: str
    time_unix_nano: int
    attributes: dict[str, Any] | None = None


class _Link(Struct):
    trace_id: str
    span_id: str
    attributes: dict[str, Any] | None = None


class _Document(Struct):
    trace_id: str
    span_id: str
    name: str
    start_time_unix_nano: int
    parent_span_id: str | None = None
    end_time_unix_nano: int | None = None
    attributes: dict[str, Any] | None = None
    status: _Status | None = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None


_decoder = msgspec.json.Decoder(_Document, strict=False)


def encode(span: Span) -> str:
    """The document of a span, the same text as of MLflow's server."""
    return encode_with(span, attribute_texts(span))


def attribute_texts(span: Span) -> dict[str, str]:
    """The attributes as they are stored: each value is a JSON text."""
    return {key: as_text(value) for key, value in span.attributes.items()}


def encode_with(span: Span, texts: dict[str, str]) -> str:
    """The document of a span whose `attribute_texts` are known.

    Written piece by piece, in half the time that an encoder takes.
    """
    parent = f'"{_base64(span.parent_id)}"' if span.parent_id else "null"
    end = "null" if span.end_ns is None else span.end_ns
    attributes = ", ".join([f"{as_text(key)}: {as_text(text)}" for key, text in texts.items()])
    return (
        f'{{"trace_id": "{_base64(span.trace_id)}", "span_id": "{_base64(span.span_id)}", '
        f'"parent_span_id": {parent}, "name": {as_text(span.name)}, '
        f'"start_time_unix_nano": {span.start_ns}, "end_time_unix_nano": {end}, '
        f'"events": {_events(span.events)}, "status": {{"code": "{_CODES[span.status]}", '
        f'"message": {as_text(span.status_message)}}}, "attributes": {{{attributes}}}, '
        f'"links": {_links(span.links)}}}'
    )


def decode(content: str) -> Span:
    """The span of a document, without its resource, which is not stored.

    Reads what all versions of MLflow that store spans in the database have written. Raises
    Unreadable for anything else.
    """
    try:
        document = _read(content)
        return Span(
            trace_id=_id(document.trace_id, TRACE_ID_BYTES),
            span_id=_id(document.span_id, SPAN_ID_BYTES),
            parent_id=(
                _id(document.parent_span_id, SPAN_ID_BYTES) if document.parent_span_id else None
            ),
            name=document.name,
            start_ns=document.start_time_unix_nano,
            end_ns=document.end_time_unix_nano or None,
            status=_STATUSES.get(document.status.code, "UNSET") if document.status else "UNSET",
            status_message=(document.status.message or "") if document.status else "",
            attributes={key: value_of(text) for key, text in (document.attributes or {}).items()},
            events=[
                Event(event.name, event.time_unix_nano, event.attributes or {})
                for event in document.events or ()
            ],
            links=[
                Link(
                    _id(link.trace_id, TRACE_ID_BYTES),
                    _id(link.span_id, SPAN_ID_BYTES),
                    link.attributes or {},
                )
                for link in document.links or ()
            ],
        )
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def value_of(text: Any) -> Any:
    """The value of a stored attribute: what its JSON text says, or else the text itself."""
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:  # NaN and Infinity, and what Python's decoder is lenient with
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read(content: str) -> _Document:
    try:
        return _decoder.decode(content)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # NaN in an event, as MLflow writes it
        return msgspec.convert(json.loads(content), _Document, strict=False)


def _id(written: str, length: int) -> bytes:
    """The bytes of an id that is base64, or hexadecimal as in links and MLflow 3.5."""
    if written.endswith("="):  # as base64 of 8 and of 16 bytes does
        identifier = base64.b64decode(written, validate=True)
    else:
        identifier = bytes.fromhex(written.rpartition("/")[2].removeprefix("tr-"))
    return identifier.rjust(length, b"\0")


def _events(events: list[Event]) -> str:
    if not events:
        return "[]"
    return as_text(
        [
            {
                "name": event.name,
                "time_unix_nano": event.time_ns,
                "attributes": event.attributes,
            }
            for event in events
        ]
    )


def _links(links: list[Link]) -> str:
    if not links:
        return "[]"
    return as_text(
        [
            {
                "trace_id": trace_id(link.trace_id),
                "span_id": link.span_id.hex(),
                "attributes": link.attributes or None,
            }
            for link in links
        ]
    )


def _base64(identifier: bytes) -> str:
    return base64.b64encode(identifier).decode()


def as_json(content: str) -> str:
    """The document as JSON, which knows no NaN and no infinities: words stand for those.

    Python writes and reads them, as MLflow does in attributes of events and links. Other documents
    are returned as they are, also what is none.
    """
    if not may_have_nan(content) or _is_json(content):
        return content
    try:
        return as_text(with_words(json.loads(content)))
    except (ValueError, RecursionError):
        return content


def may_have_nan(content: str) -> bool:
    """Whether a text has NaN or an infinity, of which JSON has none, or the word."""
    return "NaN" in content or "Infinity" in content


def _is_json(content: str) -> bool:
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
