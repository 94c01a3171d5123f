"""Parquet files of experiments for clients: sent while they are written, or kept for ranges.

All methods are called by the event loop.
"""

import asyncio
import contextlib
import contextvars
import hashlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from tandem_metadata.database import read_cancellation
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import (
    Abandoned,
    CancelToken,
    ReadTimeout,
    Reason,
)
from tandem_metadata.messages.exports import ExportTable
from tandem_metadata.rules import enums
from tandem_metadata.store.tracking import experiments
from tandem_metadata.transfer.export import parquet
from tandem_metadata.transfer.export.kept_files import (
    KeptFile,
    KeptFiles,
    TooLarge,
    folder_of,
)
from tandem_metadata.transfer.export.pipe import MEMORY, Pipe
from tandem_metadata.transfer.export.reading import Sink
from tandem_metadata.transfer.export.selection import ACTIVE_RUNS, run_ids, select_all
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import ApiError, NotSupported, invalid_value
from tandem_shared.http.transfers import Transfer, Transfers
from tandem_shared.observability.logs import RARELY

AT_ONCE: Final = 2
"""Exports that a worker makes at once, each with a thread and a connection of its own."""

STALL_SECONDS: Final = 30.0
LEAST_RATE: Final = 64 * 1024
"""How long a client may take for a part: so many seconds, or those of its bytes at this rate.

Meanwhile the database keeps the state that is read.
"""

EXPORTS: Final = Counter(
    "tandem_exports", "Parquet files that were made for clients, by outcome.", ["outcome"]
)
IN_FLIGHT: Final = Gauge(
    "tandem_exports_in_flight",
    "Parquet files that are being made for clients now.",
    multiprocess_mode="livesum",
)
SENT, KEPT, TOO_LONG, REFUSED, ABANDONED, FAILED = (
    *("sent", "kept", "too_long", "refused", "abandoned", "failed"),
)

T = TypeVar("T")

_log = logging.getLogger(__name__)


class _Yielding:
    """Has Python's threads take turns more often while exports are made.

    An export keeps its thread busy. Whatever a request does in another one, it waits a turn first,
    several times: of the usual 5 ms that is more than the request itself takes.
    """

    _SECONDS: Final = 0.0005

    def __init__(self) -> None:
        self._running = 0
        self._usual = 0.0

    def begin(self) -> None:
        if not self._running:
            self._usual = sys.getswitchinterval()
            sys.setswitchinterval(self._SECONDS)
        self._running += 1

    def end(self, _: object) -> None:
        self._running -= 1
        if not self._running:
            sys.setswitchinterval(self._usual)


_yielding: Final = _Yielding()


class Exports:
    """Makes the files of a database, in threads of its own, a bounded number at a time."""

    def __init__(self, database: Database, read_timeout: float | None, disk_bytes: int) -> None:
        """`read_timeout`: seconds until the first bytes, and between any two parts."""
        self._database = database
        self._timeout = read_timeout
        self._threads = Threads("export", AT_ONCE)
        self._transfers = Transfers(places=AT_ONCE, memory=AT_ONCE * MEMORY, least_rate=LEAST_RATE)
        self._kept = KeptFiles(folder_of(database.url), disk_bytes)
        self._keeps = disk_bytes > 0
        self._making: dict[str, asyncio.Task[KeptFile | None]] = {}

    async def aclose(self) -> None:
        """Stop what is being made, and end the threads."""
        for task in self._making.values():
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
        await self._threads.aclose()
        self._kept.close()

    async def stream(self, request: ExportTable) -> "Export":
        """A file, of which the first bytes are there.

        Raises InvalidParameter and NotFound for what cannot be exported, NotSupported without
        pyarrow, ReadTimeout for what takes too long to find, and Unavailable when too many are
        made.
        """
        write = self._writer(request)
        transfer = await self._transfers.begin(MEMORY, STALL_SECONDS)
        export = Export(self._threads, self._timeout, transfer, write)
        await export.begin()
        return export

    async def file(self, request: ExportTable, *, begins: bool) -> KeptFile | None:
        """A file to read in parts; None where it is too long to be kept, or takes too long.

        Who `begins` gets a new one, or one that was in use seconds ago. Raises as `stream`.
        """
        write = self._writer(request)
        if not self._keeps:
            return None
        key = _key(request)
        if (task := self._making.get(key)) is None:
            if found := self._kept.find(key, begins=begins):
                return found
            task = asyncio.create_task(self._make(key, write))
            self._making[key] = task
            task.add_done_callback(partial(self._made, key))
        return await asyncio.shield(task)

    def find(self, request: ExportTable) -> KeptFile | None:
        """A file that was in use seconds ago; raises as `stream` does."""
        self._writer(request)
        return self._kept.find(_key(request), begins=True) if self._keeps else None

    def _writer(self, request: ExportTable) -> "Write":
        if (table := parquet.TABLES.get(request.table)) is None:
            known = ", ".join(parquet.TABLES)
            raise invalid_value("table", request.table, f"it must be one of {known}")
        enums.name_of("run_view_type", _view(request), enums.VIEW_TYPE)
        if not parquet.is_installed():
            raise NotSupported(parquet.MISSING)
        return partial(_write, self._database, table, request)

    def _made(self, key: str, task: "asyncio.Task[KeptFile | None]") -> None:
        del self._making[key]
        if not task.cancelled():
            task.exception()  # looked at, though nobody may wait any more

    async def _make(self, key: str, write: "Write") -> KeptFile | None:
        token = CancelToken(self._timeout)
        with await self._transfers.begin(MEMORY, STALL_SECONDS), IN_FLIGHT.track_inprogress():
            work = _start(self._threads, token, partial(self._kept.make, key, write))
            work.add_done_callback(partial(_count, KEPT))
            try:
                async with asyncio.timeout(self._timeout) as deadline:
                    return await asyncio.shield(work)
            except TooLarge:
                return None
            except OSError as error:
                if not deadline.expired():
                    _log.warning("exports cannot be kept: %s", error, extra=RARELY)
                    return None
                token.cancel(Reason.TIMEOUT)
                with contextlib.suppress(ReadTimeout):
                    await shielded(work)
                return None
            except asyncio.CancelledError:
                token.cancel(Reason.ABANDONED)
                with contextlib.suppress(Exception):
                    await shielded(work)
                raise


Write = Callable[[Sink], int]
"""Writes a file, in a thread."""


class Export:
    """A file that is sent while it is written; closed in the end, whatever became of it."""

    def __init__(
        self, threads: Threads, timeout: float | None, transfer: Transfer, write: Write
    ) -> None:
        self.transfer = transfer
        self._timeout = timeout
        self._token = CancelToken(timeout)
        self._pipe = Pipe(2 * STALL_SECONDS)
        self._first = b""
        IN_FLIGHT.inc()
        self._work = _start(threads, self._token, partial(_through, self._pipe, write))
        self._work.add_done_callback(self._ended)

    async def begin(self) -> None:
        """Wait for the first bytes; raises what the writing does."""
        try:
            self._first = await self._take()
        except BaseException:
            await self.close()
            raise

    async def parts(self) -> AsyncIterator[bytes]:
        """The bytes; raises what the writing does, so that the answer is broken off."""
        part = self._first
        while part:
            yield part
            part = await self._take()

    async def close(self) -> None:
        """Stop the writing, if it goes on."""
        self._token.cancel(Reason.ABANDONED)
        self._pipe.abandon()
        with contextlib.suppress(Exception):
            await shielded(self._work)

    async def _take(self) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                part = await self._pipe.take()
        except TimeoutError:
            self._token.cancel(Reason.TIMEOUT)
            part = b""
        if not part:
            await shielded(self._work)
        return part

    def _ended(self, work: "asyncio.Future[None]") -> None:
        if work.cancelled() or work.exception():
            self._pipe.cut()
        IN_FLIGHT.dec()
        _count(SENT, work)
        self.transfer.end()


def _start(threads: Threads, token: CancelToken, function: Callable[[], T]) -> "asyncio.Future[T]":
    """Begin to run a function whose reads the token cancels."""
    context = contextvars.copy_context()
    context.run(read_cancellation.set_token, token)
    work = threads.start(function, context=context)
    _yielding.begin()
    work.add_done_callback(_yielding.end)
    return work


def _count(success: str, work: "asyncio.Future[Any]") -> None:
    error = None if work.cancelled() else work.exception()
    match error:
        case None:
            outcome = ABANDONED if work.cancelled() else success
        case TooLarge() | ReadTimeout():
            outcome = TOO_LONG
        case Abandoned():
            outcome = ABANDONED
        case ApiError() if error.status < 500:
            outcome = REFUSED
        case _:
            outcome = FAILED
    EXPORTS.labels(outcome).inc()


def _through(pipe: Pipe, write: Write) -> None:
    write(pipe)
    pipe.end()


def _write(database: Database, table: parquet.Table, request: ExportTable, sink: Sink) -> int:
    with database.snapshot() as conn:
        chosen = _chosen(conn, request)
        return parquet.write(conn, table, chosen, sink)


def _chosen(conn: Connection, request: ExportTable) -> Sequence[str]:
    experiments.get(conn, request.experiment_id)
    selection = select_all(
        conn,
        [request.experiment_id],
        filter=request.filter,
        run_view_type=_view(request),
    )
    return run_ids(conn, selection)


def _view(request: ExportTable) -> str | int:
    return ACTIVE_RUNS if request.run_view_type is None else request.run_view_type


def _key(request: ExportTable) -> str:
    view = enums.name_of("run_view_type", _view(request), enums.VIEW_TYPE)
    what = (request.experiment_id.strip(), request.table, request.filter or "", view)
    return hashlib.blake2b(repr(what).encode(), digest_size=16).hexdigest()
