"""The spans of a request, each made fit to be stored, and what was refused."""

from typing import Any, Final

from msgspec import Struct, field

from tandem_metadata.spans import keys
from tandem_metadata.spans.span import Event, Link, Span
from tandem_metadata.spans.values import LAST_TIME, Allowance, Refused

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8

_REASONS: Final = 5
"""The most reasons that are told; batches are often wrong in one way."""

_AGENTS: Final = frozenset(
    ("claude-code", "codex_cli_rs", "codex_vscode", "gemini-cli", "qwen-code")
)
"""Services whose name MLflow copies to the root, where the translation of their spans reads it."""


class Batch(Struct):
    """The spans of a request in its order; one may be there several times."""

    spans: list[Span] = field(default_factory=list)
    rejected: int = 0
    """How many spans were refused."""
    reasons: list[str] = field(default_factory=list)
    """Why, for the client: the first few reasons, each once."""

    def refuse(self, reason: str) -> None:
        """Count a span that is not kept."""
        self.rejected += 1
        if len(self.reasons) < _REASONS and reason not in self.reasons:
            self.reasons.append(reason)


def trace_id(otlp_id: bytes) -> str:
    """The id by which MLflow knows a trace."""
    return f"tr-{otlp_id.hex()}"


def last_of_each(spans: list[Span]) -> list[Span]:
    """The spans without those of which a later copy follows."""
    return list({(span.trace_id, span.span_id): span for span in spans}.values())


def complete(span: Span, allowance: Allowance) -> Span:
    """Make a span that was just read fit to be stored, and return it.

    Ids get their full length, times fit their columns, JSON texts in attributes become values, and
    the attributes have the trace's id. Raises Refused for ids that are missing or too long.
    """
    span.trace_id = _full("trace_id", span.trace_id, TRACE_ID_BYTES)
    span.span_id = _full("span_id", span.span_id, SPAN_ID_BYTES)
    if span.parent_id is not None:
        span.parent_id = _parent(span.parent_id)
    span.start_ns = time(span.start_ns)
    span.end_ns = time(span.end_ns) if span.end_ns else None
    if span.status != "ERROR":
        span.status_message = ""  # as OpenTelemetry demands
    attributes = span.attributes
    for key, value in attributes.items():
        if isinstance(value, str) and not key.startswith(keys.TAG_PREFIX):
            attributes[key] = allowance.unwrap(value)
    attributes[keys.TRACE_ID] = trace_id(span.trace_id)
    if span.parent_id is None and span.resource:
        service = span.resource.get(keys.SERVICE)
        if isinstance(service, str) and service in _AGENTS:
            attributes[keys.SERVICE] = service
    return span


def event(name: str, time_ns: int, attributes: dict[str, Any]) -> Event:
    """An event whose time fits."""
    return Event(name, time(time_ns), attributes)


def link(trace_id: bytes, span_id: bytes, attributes: dict[str, Any]) -> Link | None:
    """A link, or None if no span can have these ids."""
    if len(trace_id) > TRACE_ID_BYTES or len(span_id) > SPAN_ID_BYTES:
        return None
    return Link(
        trace_id.rjust(TRACE_ID_BYTES, b"\0"), span_id.rjust(SPAN_ID_BYTES, b"\0"), attributes
    )


def time(time_ns: int) -> int:
    """A time, moved to the nearest that its column holds."""
    return min(max(time_ns, 0), LAST_TIME)


def _full(field: str, given: bytes, length: int) -> bytes:
    if len(given) == length:
        return given
    if not given:
        raise Refused(f"A span has no {field}.")
    if len(given) > length:
        raise Refused(f"A {field} has {len(given)} bytes; it must have {length}.")
    return given.rjust(length, b"\0")


def _parent(given: bytes) -> bytes | None:
    if not given.strip(b"\0"):
        return None
    return _full("parent_span_id", given, SPAN_ID_BYTES)
