"""Metrics of the HTTP layer, and `/metrics` for one worker or several.

Label values come from fixed sets: the service, the route's template, the method and the status.
With several workers, each process writes files under `PROMETHEUS_MULTIPROC_DIR`. The worker that
answers a scrape sums the files.
"""

import asyncio
import os
import struct
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import Response

from tandem_shared.concurrency.threads import Threads
from tandem_shared.observability.processes import ProcessesCollector
from tandem_shared.observability.worker_metrics import MULTIPROCESS_DIRECTORY

LATENCY_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip

REQUESTS = Counter(
    "tandem_http_requests",
    "Requests answered.",
    ("service", "route", "method", "status"),
)
LATENCY = Histogram(
    "tandem_http_request_duration_seconds",
    "Seconds from a request's first byte to its answer's last.",
    ("service", "route", "method"),
    buckets=LATENCY_BUCKETS,
)
IN_FLIGHT = Gauge(
    "tandem_http_requests_in_flight",
    "Requests being handled now.",
    ("service",),
    multiprocess_mode="livesum",
)
BUILD_INFO = Gauge(
    "tandem_build_info",
    "1, with the version that runs.",
    ("service", "version"),
    multiprocess_mode="livemax",  # not summed; ended workers are left out
)


_ATTEMPTS = 10
_PAUSE = 0.05  # seconds
_THREAD: Final = Threads("scrape", 1)
"""Started by the first scrape of several workers: the kernel counts their memory page by page."""


async def metrics(_: Request) -> Response:
    """`GET /metrics`: the metrics of this process, or the sums of all workers."""
    body = await _of_all() if MULTIPROCESS_DIRECTORY in os.environ else generate_latest(REGISTRY)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _of_all() -> bytes:
    """The sums over all workers; retried, as a worker that starts or ends changes its files."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _THREAD.run(_read)
        except (OSError, ValueError, struct.error):  # a file is gone, half-written or empty
            await asyncio.sleep(_PAUSE)
    return await _THREAD.run(_read)


def _read() -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(ProcessesCollector(os.getppid()))  # the supervisor
    return generate_latest(registry)
