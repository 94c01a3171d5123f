"""Reads that many clients ask for at once, by one statement for all of them.

What comes while one is under way goes together in the next, so nobody is shown what was there
before they asked; and a run that several ask for is read, and written as JSON, once.
"""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final, TypeVar

from tandem_metadata.db import Database
from tandem_metadata.lanes import Lane
from tandem_metadata.store import run_data, runs
from tandem_shared import wire

_LIMIT: Final = 1_000
"""Runs that are read together, unless one request alone asks for more."""

T = TypeVar("T")
Ids = Sequence[str]


class Reader:
    """Reads runs for many requests at once; they come as messages of type Run in JSON."""

    def __init__(self, database: Database, timeout: float) -> None:
        """A call that waits for `timeout` seconds fails with Unavailable."""
        self._db = database
        # Two, for single runs are not to wait for whole pages. A page may be much of a table.
        self._single, self._pages = (
            Lane[Ids, list[bytes]](
                name, partial(self._read, by_key=by_key), weigh=len, limit=_LIMIT, timeout=timeout
            )
            for name, by_key in (("run", True), ("pages", False))
        )

    async def run(self, run_id: str) -> bytes:
        """The run, be it active or deleted, with all it logged. Raises NotFound."""
        found = await self._single.run((run_id,))
        if not found:
            raise runs.not_found(run_id)
        return found[0]

    async def page(self, finding: Awaitable[tuple[Ids, T]]) -> tuple[list[bytes], T]:
        """The runs whose ids `finding` gives, but for those that are gone meanwhile; and the rest.

        Pages that are found at the same time are read together.
        """
        with self._pages.expected():
            run_ids, rest = await finding
            reading = self._pages.submit(run_ids) if run_ids else None
        return await reading if reading else [], rest

    def close(self) -> None:
        """Finish what is running."""
        self._single.close()
        self._pages.close()

    def _read(self, calls: Sequence[Ids], *, by_key: bool) -> Sequence[list[bytes]]:
        with self._db.read(by_key=by_key) as conn:
            found = run_data.get(conn, {run_id for ids in calls for run_id in ids})
        written = {run_id: wire.encode_json(run) for run_id, run in found.items()}
        return [[written[run_id] for run_id in ids if run_id in written] for ids in calls]
