"""Runs as they were read, for as long as nothing has been written since."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

SECONDS: Final = 1.0
_MAX_BYTES: Final = 8 * 2**20


class _Kept(NamedTuple):
    snapshot: str | None
    until: float
    runs: Mapping[str, bytes]
    size: int


_NOTHING: Final = _Kept(None, 0.0, {}, 0)


class KeptRuns:
    """Messages of runs, by id, as statements of one snapshot have read them; see `snapshots`.

    They are good for a second: after a failover a database may come to the same snapshot with other
    rows. At most 8 MiB are kept. Threads may share one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept = _NOTHING

    def find(self, snapshot: str | None, run_ids: Sequence[str]) -> list[bytes] | None:
        """All these runs as a statement of that snapshot would read them; None to read them."""
        kept = self._kept
        if snapshot is None or snapshot != kept.snapshot or time.monotonic() > kept.until:
            return None
        try:
            return [kept.runs[run_id] for run_id in run_ids]
        except KeyError:
            return None

    def put(self, snapshot: str | None, runs: Mapping[str, bytes]) -> None:
        """Keep what a statement of the snapshot has read, instead of what others have read."""
        if snapshot is None:
            return
        size = sum(map(len, runs.values()))
        with self._lock:
            now, kept = time.monotonic(), self._kept
            if kept.snapshot != snapshot or now > kept.until:
                kept = _Kept(snapshot, now + SECONDS, {}, 0)
            if kept.size + size <= _MAX_BYTES:
                merged = {**kept.runs, **runs}
                kept = kept._replace(runs=merged, size=sum(map(len, merged.values())))
            self._kept = kept

    def forget(self) -> bool:
        """Let go of what is too old; whether anything is still kept."""
        with self._lock:
            if time.monotonic() > self._kept.until:
                self._kept = _NOTHING
            return self._kept is not _NOTHING
