"""Group commit: what requests log while a transaction runs goes together in the next one.

A commit waits for the disk, and calls for one run wait for each other's row locks. So one writer a
process takes all waiting calls into one transaction, and answers them after its commit. A call that
cannot go with the others gets a transaction of its own, and they stay together.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Final

from prometheus_client import Histogram
from sqlalchemy import Connection

from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.messages.runs import Run
from tandem_metadata.store.tracking import create_many, log_entry, log_many, runs
from tandem_shared.errors import Unavailable

Call = log_entry.Entry | runs.NewRun

_ALONE: Final = object()
_DONE: Final = object()
_LIMIT: Final = 10_000
"""Rows after which a transaction takes no more calls: those that wait behind it wait for all."""

_PLACES: Final = 10_000
"""Experiments whose places are remembered."""

GROUP = Histogram(
    "tandem_db_group_calls",
    "Calls that were committed together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)


class Writer:
    """Logs and creates runs for many requests at once; an answer follows the commit."""

    def __init__(self, database: Database, threads: Threads, timeout: float) -> None:
        """A call that stands alone takes one of `threads`.

        A call that waits for `timeout` seconds fails with Unavailable.
        """
        self._db = database
        self._threads = threads
        # Where experiments were when their last runs were created; looked at again with each run.
        self._places: dict[str, create_many.Place] = {}
        self._batcher: Batcher[Call, object] = Batcher(
            "writer", self._commit, cost=_rows, limit=_LIMIT, timeout=timeout
        )

    async def log(self, entry: log_entry.Entry) -> None:
        """Log an entry to its run, all or nothing; raises as `log_entry.log` does."""
        if log_many.groupable(entry) and await self._batcher.run(entry) is _DONE:
            return
        await self._threads.run(self._db.run_in_transaction, partial(log_entry.log, entry=entry))

    async def create(self, new: runs.NewRun) -> Run:
        """Create a run; raises as `runs.create` does."""
        outcome = await self._batcher.run(new)
        if isinstance(outcome, Run):
            return outcome
        return await self._threads.run(self._db.run_in_transaction, partial(runs.create, run=new))

    async def aclose(self) -> None:
        """Finish what is running."""
        await self._batcher.aclose()

    def _commit(self, calls: Sequence[Call]) -> Sequence[object]:
        """An outcome for each call: what it made, what was raised, or that it is to be tried alone.

        Calls that cannot be written together are written in halves: only what is at fault is left.
        """
        outcomes: list[object] = [_ALONE] * len(calls)
        parts = [[*range(len(calls))]]
        while parts:
            part = parts.pop()
            try:
                done = self._write([calls[index] for index in part])
            except log_many.Contradicted as error:
                left = [index for place, index in enumerate(part) if place not in error.indexes]
                parts += [left] if left else []
            except Unavailable as error:  # which no call is at fault for
                for index in itertools.chain(part, *parts):
                    outcomes[index] = error
                break
            except Exception:
                half = len(part) // 2
                parts += [part[half:], part[:half]] if half else []
            else:
                for index, outcome in zip(part, done, strict=True):
                    outcomes[index] = outcome
                GROUP.observe(len(part))
        return outcomes

    def _write(self, calls: Sequence[Call]) -> list[object]:
        entries = [call for call in calls if isinstance(call, log_entry.Entry)]
        new = [call for call in calls if isinstance(call, runs.NewRun)]
        if not new and log_many.only_metrics(entries):
            left = self._db.execute_autocommit(
                partial(log_many.log_metrics, entries=entries), point_lookup=True
            )
            return [_ALONE if index in left else _DONE for index in range(len(calls))]
        if not entries and self._db.dialect == "postgresql" and self._know(new):
            create = partial(create_many.create_at_once, new=new, places=self._places)
            created = self._db.execute_autocommit(create, point_lookup=True)
            for run, made in zip(new, created, strict=True):
                if made is None:
                    self._places.pop(run.experiment_id, None)
            return [made or _ALONE for made in created]
        if len(self._places) > _PLACES:
            self._places.clear()
        write = partial(_write, calls=calls, places=self._places)
        return self._db.run_in_transaction(write, point_lookup=True)

    def _know(self, new: Sequence[runs.NewRun]) -> bool:
        return all(run.experiment_id in self._places for run in new)


def _rows(call: Call) -> int:
    if isinstance(call, runs.NewRun):
        return 1 + len(call.tags)
    return 1 + len(call.metrics) + len(call.params) + len(call.tags)


def _write(
    conn: Connection, calls: Sequence[Call], places: dict[str, create_many.Place]
) -> list[object]:
    outcomes: list[object] = [_ALONE] * len(calls)
    created = [index for index, call in enumerate(calls) if isinstance(call, runs.NewRun)]
    logged = [index for index, call in enumerate(calls) if isinstance(call, log_entry.Entry)]
    if created:
        new = [call for call in calls if isinstance(call, runs.NewRun)]
        for index, run in zip(created, create_many.create(conn, new, places), strict=True):
            outcomes[index] = run or _ALONE
    if logged:
        entries = [call for call in calls if isinstance(call, log_entry.Entry)]
        try:
            left = log_many.log(conn, entries)
        except log_many.Contradicted as error:
            raise log_many.Contradicted({logged[place] for place in error.indexes}) from None
        for place, index in enumerate(logged):
            if place not in left:
                outcomes[index] = _DONE
    return outcomes
