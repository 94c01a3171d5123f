"""Group reads: runs that many clients ask for at once are read by one statement.

Calls that come during a read share the next one, so no answer is older than its request. A run that
several of them ask for is read and encoded once.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from tandem_metadata.batching.batcher import Batcher
from tandem_metadata.batching.run_cache import SnapshotRunCache
from tandem_metadata.batching.thread_pool import Threads
from tandem_metadata.database.database import Database
from tandem_metadata.database.read_cancellation import ReadTimeout
from tandem_metadata.store.tracking import load, runs
from tandem_metadata.store.tracking.run_search import Page
from tandem_shared.errors import Unavailable
from tandem_shared.wire import codec

_LIMIT: Final = 1_000
"""Run ids of a group. A page of more is read by a thread of the pool, beside the groups."""

Ids = Sequence[str]


class Reader:
    """Reads runs for many requests at once; they come as messages of type Run in JSON."""

    def __init__(self, database: Database, threads: Threads, timeout: float) -> None:
        """A page of many runs takes one of `threads`.

        A call that waits for `timeout` seconds fails with Unavailable.
        """
        self._db = database
        self._threads = threads
        self._cache = SnapshotRunCache()
        # Single runs do not wait for pages, which may be large.
        self._single, self._pages = (
            Batcher[Ids, list[bytes]](
                name,
                partial(self._read_together, point_lookup=point_lookup),
                cost=len,
                limit=_LIMIT,
                timeout=timeout,
                read_timeout=threads.read_timeout,
            )
            for name, point_lookup in (("run", True), ("pages", False))
        )

    async def run(self, run_id: str) -> bytes:
        """The run, be it active or deleted, with all it logged. Raises NotFound."""
        found = await self._single.run((run_id,))
        if not found:
            raise runs.not_found(run_id)
        return found[0]

    async def page(self, page: Page) -> list[bytes]:
        """The runs of a page in its order, without those that are gone meanwhile."""
        if not page.ids:
            return []
        cached = self._cache.find(page.snapshot, page.ids)
        if cached is not None:
            return cached
        if len(page.ids) > _LIMIT:
            (found,) = await self._threads.run(self._read, [page.ids], point_lookup=False)
            return found
        return await self._pages.run(page.ids)

    async def aclose(self) -> None:
        """Finish what is running."""
        await self._single.aclose()
        await self._pages.aclose()

    def _read_together(self, calls: Sequence[Ids], *, point_lookup: bool) -> Sequence[list[bytes]]:
        try:
            return self._read(calls, point_lookup=point_lookup)
        except ReadTimeout:
            if len(calls) == 1:
                raise
            # One call may be to blame for the others: a 5xx lets each client ask again.
            raise Unavailable("The database is slow to answer; try again later.") from None

    def _read(self, calls: Sequence[Ids], *, point_lookup: bool) -> Sequence[list[bytes]]:
        written: dict[str, bytes] = {}
        with self._db.read(point_lookup=point_lookup) as conn:
            for part in load.parts(conn, {run_id for ids in calls for run_id in ids}):
                encoded = {run_id: codec.encode_json(run) for run_id, run in part.runs.items()}
                self._cache.put(part.snapshot, encoded)
                written.update(encoded)
        return [[written[run_id] for run_id in ids if run_id in written] for ids in calls]
