"""Reads that many clients ask for at once, by one statement for all of them.

What comes while one is under way goes together in the next, so nobody is shown what was there
before they asked; and a run that several ask for is read, and written as JSON, once.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final

from tandem_metadata.batching.batcher import Lane
from tandem_metadata.batching.run_cache import SECONDS, KeptRuns
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.database.stops import TooSlow
from tandem_metadata.store.tracking import load, runs
from tandem_metadata.store.tracking.run_search import Page
from tandem_shared.errors import Unavailable
from tandem_shared.wire import codec

_LIMIT: Final = 1_000
"""Runs that are read together; a page of more is read alone, beside the others."""

Ids = Sequence[str]


class Reader:
    """Reads runs for many requests at once; they come as messages of type Run in JSON."""

    def __init__(self, database: Database, threads: Threads, timeout: float) -> None:
        """A page of many runs takes one of `threads`.

        A call that waits for `timeout` seconds fails with Unavailable.
        """
        self._db = database
        self._threads = threads
        self._kept = KeptRuns()
        self._forgetting = False
        # Two, for single runs are not to wait for whole pages. A page may be much of a table.
        self._single, self._pages = (
            Lane[Ids, list[bytes]](
                name,
                partial(self._read_together, by_key=by_key),
                weigh=len,
                limit=_LIMIT,
                timeout=timeout,
                read_timeout=threads.read_timeout,
            )
            for name, by_key in (("run", True), ("pages", False))
        )

    async def run(self, run_id: str) -> bytes:
        """The run, be it active or deleted, with all it logged. Raises NotFound."""
        found = await self._single.run((run_id,))
        if not found:
            raise runs.not_found(run_id)
        return found[0]

    async def page(self, finding: Awaitable[Page]) -> tuple[list[bytes], str | None]:
        """The runs that `finding` gives, but for those that are gone meanwhile; and the token.

        Pages that wait for one another are read together, and those whose runs were read before
        are not read again while nothing is written.
        """
        found = await finding
        kept = self._kept.find(found.snapshot, found.ids) if found.ids else []
        if kept is not None:
            return kept, found.token
        if not self._forgetting:
            self._forgetting = True
            self._forget_later()
        if len(found.ids) > _LIMIT:
            (runs,) = await self._threads.run(self._read, [found.ids], by_key=False)
            return runs, found.token
        return await self._pages.run(found.ids), found.token

    def close(self) -> None:
        """Finish what is running."""
        self._single.close()
        self._pages.close()

    def _forget_later(self) -> None:
        asyncio.get_running_loop().call_later(SECONDS, self._forget)

    def _forget(self) -> None:
        self._forgetting = self._kept.forget()
        if self._forgetting:
            self._forget_later()

    def _read_together(self, calls: Sequence[Ids], *, by_key: bool) -> Sequence[list[bytes]]:
        try:
            return self._read(calls, by_key=by_key)
        except TooSlow:
            if len(calls) == 1:
                raise
            # It may be one of them that asks for too much: none is told so.
            raise Unavailable("The database is slow to answer; try again later.") from None

    def _read(self, calls: Sequence[Ids], *, by_key: bool) -> Sequence[list[bytes]]:
        written: dict[str, bytes] = {}
        with self._db.read(by_key=by_key) as conn:
            for found, snapshot in load.parts(conn, {run_id for ids in calls for run_id in ids}):
                part = {run_id: codec.encode_json(run) for run_id, run in found.items()}
                self._kept.put(snapshot, part)
                written.update(part)
        return [[written[run_id] for run_id in ids if run_id in written] for ids in calls]
