"""A span of a trace, as all formats are read into it and written from it."""

from typing import Any

from msgspec import Struct, field


class Event(Struct):
    """Something that happened at one time of a span."""

    name: str
    time_ns: int
    """Nanoseconds since 1970."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Values as JSON has them."""


class Link(Struct):
    """Another span that a span refers to, of any trace."""

    trace_id: bytes
    span_id: bytes
    attributes: dict[str, Any] = field(default_factory=dict)


class Span(Struct):
    """One step of a trace. A root has no parent."""

    trace_id: bytes
    """16 bytes, but foreign clients may send fewer."""
    span_id: bytes
    """8 bytes, but foreign clients may send fewer."""
    parent_id: bytes | None
    name: str
    start_ns: int
    """Nanoseconds since 1970."""
    end_ns: int | None
    """None while the span lasts."""
    status: str = "UNSET"
    """UNSET, OK or ERROR."""
    status_message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Values as JSON has them: bytes are base64. Integers may exceed 2^53."""
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    """Attributes of what sent the span; spans that came together share one object."""
