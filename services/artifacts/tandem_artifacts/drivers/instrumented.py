"""Checks of paths, metrics and logs around any driver."""

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from prometheus_client import Counter, Gauge, Histogram

from tandem_artifacts.drivers.base import (
    UNBOUNDED,
    Driver,
    Entry,
    MultipartUpload,
    Part,
    Reading,
    Room,
    SignedDownload,
    Stat,
)
from tandem_shared import paths
from tandem_shared.errors import ApiError, PermissionDenied
from tandem_shared.observability.logs import RARELY
from tandem_shared.observability.metrics import LATENCY_BUCKETS
from tandem_shared.settings import without_credentials

DURATION = Histogram(
    "tandem_artifact_driver_duration_seconds",
    "Seconds that an operation of the artifact store took; for read and write with the transfer.",
    ("operation", "outcome"),
    buckets=LATENCY_BUCKETS,
)
BYTES = Counter(
    "tandem_artifact_bytes",
    "Artifact bytes moved, in from clients and out to them.",
    ("direction",),
)
TRANSFERS = Gauge(
    "tandem_artifact_transfers_in_flight",
    "Uploads and downloads under way now.",
    ("direction",),
    multiprocess_mode="livesum",
)

_IN, _OUT = "in", "out"
# To look a metric's child up costs more than to count. Label values come from fixed sets.
_duration = functools.cache(DURATION.labels)
_bytes = functools.cache(BYTES.labels)
_transfers = functools.cache(TRANSFERS.labels)
_log = logging.getLogger(__name__)


class InstrumentedDriver(Driver):
    """A driver around another one, `inner`.

    Every path goes through `tandem_shared.paths`, which raises InvalidParameter, before the driver
    sees it. Metrics tell operations apart and four outcomes: `ok`, `refused` (an error that is the
    request's), `failed`, and `cancelled` (by the caller, or because the body it sends broke off).
    Failures are logged with their reason, which clients are not told.
    """

    def __init__(self, driver: Driver) -> None:
        self.inner = driver
        self.multipart = driver.multipart
        self.presigned = driver.presigned
        self.host = driver.host
        self.write_bytes = driver.write_bytes
        self.read_bytes = driver.read_bytes

    async def check(self) -> None:
        with _timed("check"):
            await self.inner.check()

    async def stat(self, path: str) -> Stat:
        with _timed("stat"):
            return await self.inner.stat(paths.check_stored(path))

    @asynccontextmanager
    async def read(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        *,
        etag: str | None = None,
        room: Room = UNBOUNDED,
    ) -> AsyncIterator[Reading]:
        with _timed("read") as timing, _transfers(_OUT).track_inprogress():
            async with self.inner.read(
                paths.check_stored(path), start, length, etag=etag, room=room
            ) as reading:
                yield Reading(reading.stat, timing.count(reading.chunks, _OUT))

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int | None = None,
        room: Room = UNBOUNDED,
    ) -> None:
        with _timed("write") as timing, _transfers(_IN).track_inprogress():
            counted = timing.count(chunks, _IN)
            await self.inner.write(paths.check_stored(path), counted, size=size, room=room)

    async def list(self, path: str) -> AsyncIterator[Entry]:
        with _timed("list"):
            async for entry in self.inner.list(paths.check_stored(path) if path else ""):
                yield entry

    async def delete(self, path: str) -> None:
        with _timed("delete"):
            await self.inner.delete(paths.check_stored(path))

    async def create_multipart(self, path: str, parts: int) -> MultipartUpload:
        with _timed("create_multipart"):
            return await self.inner.create_multipart(paths.check_stored(path), parts)

    async def complete_multipart(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        with _timed("complete_multipart"):
            await self.inner.complete_multipart(paths.check_stored(path), upload_id, parts)

    async def abort_multipart(self, path: str, upload_id: str) -> None:
        with _timed("abort_multipart"):
            await self.inner.abort_multipart(paths.check_stored(path), upload_id)

    async def presign_download(self, path: str) -> SignedDownload:
        with _timed("presign_download"):
            return await self.inner.presign_download(paths.check_stored(path))

    async def close(self) -> None:
        await self.inner.close()


class _Timing:
    """An operation under way."""

    def __init__(self) -> None:
        self.broken_off = False
        """Whether the caller's own bytes ended in an error: a client left in the midst of them."""

    async def count(self, chunks: AsyncIterator[bytes], direction: str) -> AsyncIterator[bytes]:
        """The same chunks, counted; remembers when those of a client broke off."""
        moved = _bytes(direction)
        try:
            async for chunk in chunks:
                moved.inc(len(chunk))
                yield chunk
        except ApiError:
            raise  # An ApiError says itself whose fault it is.
        except Exception:
            self.broken_off = direction == _IN
            raise


@contextmanager
def _timed(operation: str) -> Iterator[_Timing]:
    outcome = "failed"
    timing = _Timing()
    started = time.perf_counter()
    try:
        yield timing
        outcome = "ok"
    except ApiError as error:
        # A store refuses the service, never the client, whom it does not know.
        if error.status < 500 and not isinstance(error, PermissionDenied):
            outcome = "refused"
        elif operation != "check":  # The probe logs failed checks.
            cause = without_credentials(str(error.__cause__ or error.message))
            _log.warning("%s failed: %s", operation, cause, extra=RARELY)
        raise
    except (asyncio.CancelledError, GeneratorExit):
        outcome = "cancelled"
        raise
    except Exception:
        outcome = "cancelled" if timing.broken_off else "failed"
        raise
    finally:
        _duration(operation, outcome).observe(time.perf_counter() - started)
