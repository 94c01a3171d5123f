"""A long upload to a disk: what has come is written, and what is written is synced, meanwhile."""

import asyncio
from contextlib import suppress

from tandem_artifacts.drivers.disk import Temporary
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.concurrency.threads import Threads

SYNC_BYTES = 32 * 1024 * 1024
"""What comes in before a part is brought to disk; the next part waits until that is done."""


class BackgroundSyncedFile:
    """A file that is written while the next bytes come in, and synced while it is written.

    A disk has a cache of its own, so that a sync takes long at the end of a file even when the
    system wrote all of it before.
    """

    def __init__(self, file: Temporary, writes: Threads, syncs: Threads) -> None:
        """`syncs` are threads apart, which a slow disk may keep without holding up others."""
        self.file = file
        self._writes = writes
        self._syncs = syncs
        self._writing: asyncio.Future[None] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._unsynced = 0

    async def append(self, data: bytearray) -> None:
        """Begin to write; returns when all before is written. Raises what that came to."""
        if self._writing is not None:
            await shielded(self._writing)
        if self._syncing is not None and self._syncing.done():
            # A disk's failure is told once to each open file: the last sync would not see it.
            self._syncing.result()
            self._syncing = None
        if self._syncing is None and self._unsynced >= SYNC_BYTES:
            self._unsynced = 0
            self._syncing = asyncio.ensure_future(self._syncs.run(self.file.sync))
        self._unsynced += len(data)
        self._writing = asyncio.ensure_future(self._writes.run(self.file.write, data))

    async def flush(self) -> None:
        """Returns when nothing is under way any more. Raises what that came to."""
        for pending in (self._writing, self._syncing):
            if pending is not None:
                await shielded(pending)

    async def discard(self) -> None:
        """Remove the file, once nothing is under way any more."""
        for pending in (self._writing, self._syncing):
            if pending is not None:
                with suppress(Exception):
                    await pending
        await self._writes.run(self.file.discard)
