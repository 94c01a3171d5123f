"""Requests of OTLP from their bodies to what the store takes, and the answers to them."""

from typing import Final, NamedTuple

from tandem_metadata.spans import decode
from tandem_metadata.spans.decode import Malformed, last_of_each
from tandem_metadata.spans.summary import SpanSummary, summarise_all
from tandem_metadata.spans.translation import translate_all

__all__ = ["Export", "Malformed", "partial_success", "partial_success_json", "read"]

_REJECTED: Final = 0x08
_MESSAGE: Final = 0x12
_PARTIAL_SUCCESS: Final = 0x0A
"""Tags of fields, with their types."""


class Export(NamedTuple):
    """The spans of a request, each once."""

    spans: list[SpanSummary]
    rejected: int
    """Spans that no store could keep."""
    reasons: list[str]
    """Why, for the client."""


def read(body: bytes, *, is_json: bool) -> Export:
    """The spans of a body, translated. Raises Malformed if it is no request of OTLP."""
    batch = decode.from_json(body) if is_json else decode.from_protobuf(body)
    spans = last_of_each(batch.spans)
    translate_all(spans)
    return Export(summarise_all(spans), batch.rejected, batch.reasons)


def partial_success(rejected: int, reason: str) -> bytes:
    """The answer to an export of which spans were rejected, in protobuf."""
    text = reason.encode()
    inner = b"".join(
        (bytes([_REJECTED]), _varint(rejected), bytes([_MESSAGE]), _varint(len(text)), text)
    )
    return bytes([_PARTIAL_SUCCESS]) + _varint(len(inner)) + inner


def partial_success_json(rejected: int, reason: str) -> dict[str, object]:
    """The same in JSON, where protobuf's 64-bit integers are texts."""
    return {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}}


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
