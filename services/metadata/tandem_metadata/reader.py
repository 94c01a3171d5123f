"""Reads that many clients ask for at once, each by one statement for all of them."""

from collections.abc import Sequence
from typing import Final

from tandem_metadata.db import Database
from tandem_metadata.lanes import Lane
from tandem_metadata.messages.runs import Run
from tandem_metadata.store import run_data, runs

_LIMIT: Final = 64
"""Runs that are read together."""


class Reader:
    """Reads runs for many requests at once."""

    def __init__(self, database: Database, timeout: float) -> None:
        """A call that waits for `timeout` seconds fails with Unavailable."""
        self._db = database
        self._lane: Lane[str, Run] = Lane(
            "reader", self._read, weigh=lambda _: 1, limit=_LIMIT, timeout=timeout
        )

    async def run(self, run_id: str) -> Run:
        """The run, be it active or deleted, with all it logged. Raises NotFound."""
        return await self._lane.run(run_id)

    def close(self) -> None:
        """Finish what is running."""
        self._lane.close()

    def _read(self, run_ids: Sequence[str]) -> Sequence[Run | BaseException]:
        with self._db.read() as conn:
            found = run_data.get(conn, {*run_ids})
        return [found.get(run_id) or runs.not_found(run_id) for run_id in run_ids]
