"""A long upload to a disk: threads write and sync it while the next bytes come in."""

import asyncio
from contextlib import suppress

from tandem_artifacts.drivers.disk import Temporary
from tandem_shared.concurrency.cancellation import shielded
from tandem_shared.concurrency.threads import Threads

SYNC_BYTES = 32 * 1024 * 1024
"""Bytes between two syncs; a sync begins only after the one before has ended."""


class BackgroundSyncedFile:
    """A file that threads write and sync while the next bytes come in.

    One sync at the end would take long even after the kernel's write-back: a disk has a cache of
    its own. The event loop calls all methods.
    """

    def __init__(self, file: Temporary, writes: Threads, syncs: Threads) -> None:
        """`syncs` are threads of their own, so that a slow sync holds up no reads and writes."""
        self.file = file
        self._writes = writes
        self._syncs = syncs
        self._writing: asyncio.Future[None] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._unsynced = 0

    async def append(self, data: bytearray) -> None:
        """Begin to write, once the data before is written; raises the failure of that."""
        if self._writing is not None:
            await shielded(self._writing)
        if self._syncing is not None and self._syncing.done():
            # The kernel reports a failed write-back once per open file, so not to the last sync.
            self._syncing.result()
            self._syncing = None
        if self._syncing is None and self._unsynced >= SYNC_BYTES:
            self._unsynced = 0
            self._syncing = asyncio.ensure_future(self._syncs.run(self.file.sync))
        self._unsynced += len(data)
        self._writing = asyncio.ensure_future(self._writes.run(self.file.write, data))

    async def flush(self) -> None:
        """Wait for the write and the sync under way; raises their failures."""
        for pending in (self._writing, self._syncing):
            if pending is not None:
                await shielded(pending)

    async def discard(self) -> None:
        """Remove the file, after the write and the sync under way."""
        for pending in (self._writing, self._syncing):
            if pending is not None:
                with suppress(Exception):
                    await pending
        await self._writes.run(self.file.discard)
