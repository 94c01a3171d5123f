"""Caches encoded runs of one snapshot: no page is read again while nothing is written."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final

_SECONDS: Final = 1.0
"""Lifetime of a snapshot: after a failover, an equal one may stand for other rows."""

_MAX_BYTES: Final = 8 * 2**20


class SnapshotRunCache:
    """Encoded runs by id, as the latest snapshot read them; see `pg_snapshot`.

    Called concurrently.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: str | None = None
        self._until = 0.0
        self._runs: dict[str, bytes] = {}
        self._size = 0

    def find(self, snapshot: str | None, run_ids: Sequence[str]) -> list[bytes] | None:
        """The runs as a statement of the snapshot would read them; None if some must be read."""
        with self._lock:
            if snapshot is None or not self._holds(snapshot):
                return None
            found = [run for run_id in run_ids if (run := self._runs.get(run_id))]
        return found if len(found) == len(run_ids) else None

    def put(self, snapshot: str | None, runs: Mapping[str, bytes]) -> None:
        """Keep what a statement of the snapshot has read, and drop the runs of any other."""
        if snapshot is None:
            return
        with self._lock:
            if not self._holds(snapshot):
                self._snapshot, self._until = snapshot, time.monotonic() + _SECONDS
                self._runs, self._size = {}, 0
            new = {run_id: run for run_id, run in runs.items() if run_id not in self._runs}
            size = self._size + sum(map(len, new.values()))
            if size <= _MAX_BYTES:
                self._runs.update(new)
                self._size = size

    def _holds(self, snapshot: str) -> bool:
        return snapshot == self._snapshot and time.monotonic() <= self._until
