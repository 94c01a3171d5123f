"""Group commit of traces: what requests send while a transaction runs goes together in the next.

Clients send a trace in several small requests at once, so that here even more than elsewhere the
commit is what takes time. Traces have a transaction of their own beside that of `Writer`: long
batches of spans keep no metrics waiting, and both lock nothing in common.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from tandem_metadata.batching import span_counts
from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.batching.writer import GROUP
from tandem_metadata.database.database import Database
from tandem_metadata.messages.traces import OldTraceInfo, TraceInfo
from tandem_metadata.store.traces import write
from tandem_metadata.store.traces.changes import Change, EndTrace, Logged, LogSpans, StartTrace
from tandem_metadata.store.traces.write import Outcome
from tandem_shared.errors import Unavailable

HELD_BYTES: Final = 32 * 1024 * 1024
"""Bytes of spans that a process decodes, writes, or has waiting at once, in many requests."""

RETRY_SECONDS: Final = 1
"""When clients shall try again; they wait longer and longer themselves."""

_LIMIT: Final = 1_000
"""Spans after which a transaction takes no more calls: those that wait behind it wait for all."""

_REST: Final = 5
"""How many times as long as their transaction traces leave everything to others that wait."""

_LONGEST_REST: Final = 0.2
"""Seconds."""

_GATHER: Final = 0.001
"""Seconds. Of eight clients, it adds a quarter to the traces that PostgreSQL stores in a second."""

_ATTEMPTS: Final = 10
"""How often changes are made whose traces others create at the same time, and delete again."""

_SPAN_CHARACTERS: Final = 2_000
"""A longer document counts as several spans."""


class Overloaded(Unavailable):
    """More spans have come than a process holds at once."""


class TraceWriter:
    """Writes traces for many requests at once; an answer follows the commit.

    The event loop calls all methods.
    """

    def __init__(
        self,
        database: Database,
        timeout: float,
        longest: int,
        others_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        """A call that waits for `timeout` seconds fails with Unavailable.

        Of the `longest` request there is always room for two, sent and decompressed. While
        `others_wait`, traces take a sixth of the time: a run waits for its metrics, and few
        programs do for their spans.
        """
        self._others_wait = others_wait
        self._db = database
        self._most = max(HELD_BYTES, 2 * longest)
        self._held = 0
        self._batcher: Batcher[Change, Outcome] = Batcher(
            "traces",
            self._commit,
            cost=_cost,
            limit=_LIMIT,
            timeout=timeout,
            rest=self._rest,
            gather=_GATHER,
        )

    @contextlib.contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count the bytes of a request from its decoding to its answer.

        Raises Overloaded when that makes too many.
        """
        if self._held + size > self._most:
            raise Overloaded(
                "More spans arrive than can be stored; try again later.", retry_after=RETRY_SECONDS
            )
        self._held += size
        span_counts.IN_FLIGHT.inc(size)
        try:
            yield
        finally:
            self._held -= size
            span_counts.IN_FLIGHT.dec(size)

    async def log(self, spans: LogSpans) -> Logged:
        """Store spans; raises NotFound and InvalidParameter for their experiment."""
        logged = cast(Logged, await self._run(spans))
        span_counts.STORED.inc(len(spans.spans) - logged.refused)
        for kind, count in logged.kinds.items():
            span_counts.REJECTED.labels(kind).inc(count)
        return logged

    async def start(self, trace: StartTrace) -> TraceInfo | OldTraceInfo:
        """Store a trace and return it: in the old form if an old client starts it.

        Raises NotFound for an unknown experiment, InvalidParameter for a deleted one, and
        PermissionDenied for a trace that may not be written to.
        """
        return cast(TraceInfo | OldTraceInfo, await self._run(trace))

    async def end(self, trace: EndTrace) -> OldTraceInfo:
        """End a trace and return it; raises NotFound."""
        return cast(OldTraceInfo, await self._run(trace))

    async def _run(self, change: Change) -> Outcome:
        with span_counts.WAITING.track_inprogress():
            return await self._batcher.run(change)

    async def aclose(self) -> None:
        """Finish what is running."""
        await self._batcher.aclose()

    def _rest(self, seconds: float) -> float:
        """How long to leave the processor and the database to others after a transaction."""
        return min(_REST * seconds, _LONGEST_REST) if self._others_wait() else 0.0

    def _commit(self, changes: Sequence[Change]) -> Sequence[Outcome | BaseException]:
        """The outcome of each, after all that succeeded are committed.

        What the database refuses is halved, until the change at fault is alone.
        """
        outcomes: list[Outcome | BaseException | None] = [None] * len(changes)
        parts = [[*range(len(changes))]]
        while parts:
            part = parts.pop()
            try:
                done: Sequence[Outcome | BaseException] = commit(
                    self._db, [changes[i] for i in part]
                )
            except Unavailable as error:  # no change is at fault for it
                parts.append(part)
                for index in (index for each in parts for index in each):
                    outcomes[index] = error
                break
            except Exception as error:
                half = len(part) // 2
                if half:
                    parts += [part[half:], part[:half]]
                    continue
                done = [error]
            else:
                GROUP.observe(len(part))
            for index, outcome in zip(part, done, strict=True):
                outcomes[index] = outcome
        return cast("list[Outcome | BaseException]", outcomes)


def commit(database: Database, changes: Sequence[Change]) -> Sequence[Outcome]:
    """Make changes in one transaction; returns the outcome of each.

    Raises Unavailable while others create, and delete, traces of these changes again and again.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(write.TracesAppeared):
            return database.run_in_transaction(
                lambda conn: write.write(conn, changes), point_lookup=True
            )
    raise Unavailable("Others create and delete traces that this request writes to; try again.")


def _cost(change: Change) -> int:
    if not isinstance(change, LogSpans):
        return 1
    return 1 + sum(1 + len(span.content) // _SPAN_CHARACTERS for span in change.spans)
