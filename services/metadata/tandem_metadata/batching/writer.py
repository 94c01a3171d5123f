"""Group commit: what requests log while a transaction runs goes together in the next one.

A commit waits for the disk, and calls for one run wait for each other's row locks. So one writer a
process takes all waiting calls into one transaction, and answers them after its commit. Each call
has an outcome of its own; a group that the database refuses is halved until the calls at fault are
alone.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Final, cast

from prometheus_client import Histogram
from sqlalchemy import Connection

from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.database.database import Database
from tandem_metadata.messages.runs import Run
from tandem_metadata.store.tracking import create_many, log_many
from tandem_metadata.store.tracking.create_many import ExperimentRef
from tandem_metadata.store.tracking.log_entry import LogEntry
from tandem_metadata.store.tracking.runs import NewRun
from tandem_shared.errors import Unavailable

Call = LogEntry | NewRun
Outcome = Run | BaseException | None
"""The run that a call created, the error that it raises, or None for an entry that is logged."""

_LIMIT: Final = 10_000
"""Rows after which a transaction takes no more calls: those that wait behind it wait for all."""

_MOST_EXPERIMENTS: Final = 10_000
"""Experiments that are remembered; with more, all are looked up again."""

GROUP = Histogram(
    "tandem_db_group_calls",
    "Calls that were committed together.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)


class Writer:
    """Logs and creates runs for many requests at once; an answer follows the commit."""

    def __init__(self, database: Database, timeout: float) -> None:
        """A call that waits for `timeout` seconds fails with Unavailable."""
        self._db = database
        # As of the last run created in each; used by the batcher's thread only. The statement that
        # creates a run checks that they are still true.
        self._known_experiments: dict[str, ExperimentRef] = {}
        self._batcher: Batcher[Call, Run | None] = Batcher(
            "writer", self._commit, cost=_rows, limit=_LIMIT, timeout=timeout
        )

    @property
    def is_busy(self) -> bool:
        """Whether entries or runs wait or are written. Called by any thread."""
        return self._batcher.is_busy

    async def log(self, entry: LogEntry) -> None:
        """Log an entry to its run, whole or not at all.

        Raises NotFound for an unknown run, and InvalidParameter for a deleted one, for a param that
        has another value already, and for metrics that their logged model cannot take.
        """
        await self._batcher.run(entry)

    async def create(self, new: NewRun) -> Run:
        """Create a run in an active experiment.

        Raises NotFound for an unknown experiment, and InvalidParameter for a deleted one, and for
        one whose artifact location is too long for that of a run to be stored.
        """
        return cast(Run, await self._batcher.run(new))

    async def aclose(self) -> None:
        """Finish what is running."""
        await self._batcher.aclose()

    def _commit(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """The outcome of each call, after all that succeeded are committed."""
        outcomes: list[Outcome] = [None] * len(calls)
        parts = [[*range(len(calls))]]
        while parts:
            part = parts.pop()
            try:
                done = self._write([calls[index] for index in part])
            except log_many.LogConflict as conflict:
                logged = [index for index in part if isinstance(calls[index], LogEntry)]
                for place, error in conflict.errors.items():
                    outcomes[logged[place]] = error
                left = [index for index in part if outcomes[index] is None]
                parts += [left] if left else []
            except Unavailable as error:  # no call is at fault for it
                for index in itertools.chain(part, *parts):
                    outcomes[index] = error
                break
            except Exception as error:
                half = len(part) // 2
                if half:
                    parts += [part[half:], part[:half]]
                else:
                    outcomes[part[0]] = error
            else:
                for index, outcome in zip(part, done, strict=True):
                    outcomes[index] = outcome
                GROUP.observe(len(part))
        return outcomes

    def _write(self, calls: Sequence[Call]) -> Sequence[Outcome]:
        """Write calls in one transaction; raises LogConflict with the places of entries."""
        entries = [call for call in calls if isinstance(call, LogEntry)]
        new = [call for call in calls if isinstance(call, NewRun)]
        if not new and log_many.only_metrics(entries):
            return self._db.execute_autocommit(
                partial(log_many.log_metrics, entries=entries), point_lookup=True
            )
        known = self._known_experiments
        if (
            not entries
            and self._db.dialect == "postgresql"
            and all(run.experiment_id in known for run in new)
        ):
            create = partial(create_many.create_by_one_statement, new=new, known_experiments=known)
            if created := self._db.execute_autocommit(create, point_lookup=True):
                return created
        if len(known) > _MOST_EXPERIMENTS:
            known.clear()

        def write(conn: Connection) -> list[Outcome]:
            created = iter(create_many.create(conn, new, known) if new else [])
            logged = iter(log_many.log(conn, entries) if entries else [])
            return [next(created if isinstance(call, NewRun) else logged) for call in calls]

        return self._db.run_in_transaction(write, point_lookup=True)


def _rows(call: Call) -> int:
    if isinstance(call, NewRun):
        return 1 + len(call.tags)
    return 1 + len(call.metrics) + len(call.params) + len(call.tags)
