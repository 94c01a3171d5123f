"""The paths on the artifacts service at which experiments keep their artifacts."""

import math
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

PathOf = Callable[[str], str | None]
"""The canonical path of a location on the artifacts service; None for one elsewhere."""

_REREAD: Final = 100
"""Ids below the largest known one that are read again: one may be committed after a larger one."""

_FEW: Final = 100
"""So many paths are put in their places one by one; of more, all are sorted again."""

_WHOLE_SECONDS: Final = 300.0
"""All locations are read again after so long: they may be rewritten while nobody tells."""

_LOST_SECONDS: Final = 10.0
"""The same where a path belongs to nothing: an experiment may have got it meanwhile."""


class Locations:
    """Of one process. A location never changes by the API, so those that are known are kept.

    They are looked up by path, not by their text in the database: one path has many spellings, and
    what lies below a path is asked for as well. 100,000 experiments take some 30 MB.
    """

    def __init__(self, path_of: PathOf, clock: Callable[[], float] = time.monotonic) -> None:
        self._path_of = path_of
        self._clock = clock
        self._uris: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._ids: dict[str, tuple[str, ...]] = {}
        self._sorted: list[str] = []
        self._largest = -1
        self._read_at = -math.inf

    @property
    def above(self) -> int:
        """Experiments of larger ids are to be read before anything is decided."""
        if self._clock() - self._read_at >= _WHOLE_SECONDS:
            return -1
        return max(self._largest - _REREAD, -1)

    def expire(self) -> bool:
        """Have all locations read again, unless they were just now; returns whether they will be.

        For a path at which nothing is known to be.
        """
        if self._clock() - self._read_at < _LOST_SECONDS:
            return False
        self._read_at = -math.inf
        return True

    def compare(self, above: int, rows: Collection[tuple[str, str]]) -> "Changes":
        """What the ids and locations of all experiments of ids above a number tell anew.

        Called by any thread: 100,000 locations take a second to parse.
        """
        known, of_all = self._uris, above < 0
        new = [(each, uri) for each, uri in rows if known.get(each) != uri]
        gone = known.keys() - {each for each, _ in rows} if of_all else set()
        return Changes(of_all, [(each, uri, self._path_of(uri)) for each, uri in new], gone)

    def learn(self, changes: "Changes") -> None:
        """Take in what `compare` has found. Called by the event loop, as what follows."""
        if changes.of_all:
            self._read_at = self._clock()
        few = len(changes.new) + len(changes.gone) <= _FEW
        for experiment in (*changes.gone, *(each for each, _, _ in changes.new)):
            self._uris.pop(experiment, None)
            path = self._forget(experiment)
            if few and path is not None:
                del self._sorted[bisect_left(self._sorted, path)]
        for experiment, uri, path in changes.new:
            self._largest = max(self._largest, int(experiment))
            self._uris[experiment] = uri
            if path is not None:
                self._paths[experiment] = path
                if few and path not in self._ids:
                    insort(self._sorted, path)
                self._ids[path] = (*self._ids.get(path, ()), experiment)
        if not few:
            self._sorted = sorted(self._ids)

    def at(self, path: str) -> tuple[str, ...]:
        """The ids of the experiments whose location is this path."""
        return self._ids.get(path, ())

    def below(self, path: str) -> list[str]:
        """The ids of the experiments whose locations lie below a path."""
        known = self._sorted
        if not path:
            found = [each for each in known if each]
        else:
            start = bisect_left(known, f"{path}/")
            end = bisect_left(known, f"{path}{_AFTER_SLASH}", start)
            found = known[start:end]
        return [experiment for each in found for experiment in self._ids[each]]

    def any_below(self, path: str) -> bool:
        """Whether an experiment's location lies below a path, which is not empty."""
        start = bisect_left(self._sorted, f"{path}/")
        return start < len(self._sorted) and self._sorted[start].startswith(f"{path}/")

    def _forget(self, experiment: str) -> str | None:
        """Forget where an experiment is; returns its path if no other is there."""
        path = self._paths.pop(experiment, None)
        if path is None:
            return None
        left = tuple(each for each in self._ids[path] if each != experiment)
        if left:
            self._ids[path] = left
            return None
        del self._ids[path]
        return path


class Changes(NamedTuple):
    """What has changed of the experiments that were read."""

    of_all: bool
    """Whether all were read."""
    new: Sequence[tuple[str, str, str | None]]
    """Ids, locations and paths of those that are new or have moved."""
    gone: Collection[str]
    """Ids of those that are there no more."""


_AFTER_SLASH: Final = chr(ord("/") + 1)
