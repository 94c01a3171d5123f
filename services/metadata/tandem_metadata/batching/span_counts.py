"""What operators see of spans: how many come, what becomes of them, and what waits.

Reasons are from fixed sets, and are there from the start: an increase has something to begin from.
"""

from typing import Final

from prometheus_client import Counter, Gauge

from tandem_metadata.store.traces.changes import REFUSALS

OVERLOAD: Final = "overload"
UNAVAILABLE: Final = "unavailable"
TOO_LARGE: Final = "too_large"
MALFORMED: Final = "malformed"
DENIED: Final = "denied"
OTHER: Final = "other"
_REASONS: Final = (OVERLOAD, UNAVAILABLE, TOO_LARGE, MALFORMED, DENIED, OTHER)
_BY_STATUS: Final = {401: DENIED, 403: DENIED, 413: TOO_LARGE, 503: UNAVAILABLE}

STORED: Final = Counter("tandem_spans_stored_total", "Spans that were stored.")
BYTES: Final = Counter(
    "tandem_span_bytes_total", "Bytes of requests whose spans were stored, decompressed."
)
REJECTED: Final = Counter(
    "tandem_spans_rejected_total",
    "Spans that were rejected, while others of their request may not be.",
    ("reason",),
)
REFUSED: Final = Counter(
    "tandem_span_requests_refused_total",
    "Requests of which no span was stored.",
    ("reason",),
)
IN_FLIGHT: Final = Gauge(
    "tandem_span_bytes_in_flight",
    "Bytes of spans that are decoded, written, or wait for that.",
    multiprocess_mode="livesum",
)
WAITING: Final = Gauge(
    "tandem_trace_writes_in_flight",
    "Requests whose spans or traces are written, or wait for that.",
    multiprocess_mode="livesum",
)


def begin() -> None:
    """Let all counters be there. Called by each worker."""
    for kind in REFUSALS:
        REJECTED.labels(kind)
    for reason in _REASONS:
        REFUSED.labels(reason)


def reason_of(status: int) -> str:
    """Why a request was refused that was answered with this status."""
    return _BY_STATUS.get(status, OTHER)
