"""What the metadata service has answered lately, for as long as it counts."""

import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from tandem_shared.auth.grants import Action, Grant
from tandem_shared.errors import ApiError

REFUSED_SECONDS: Final = 5.0
"""How long a refusal counts."""

_MOST: Final = 100_000
"""The most grants that are kept, and refusals; some 40 MB each."""


class _Granted(NamedTuple):
    grant: Grant
    until: float


class _Refused(NamedTuple):
    error: ApiError
    until: float


_Key = TypeVar("_Key")
_Each = TypeVar("_Each", _Granted, _Refused)


class Kept:
    """Of one process; the event loop calls all methods. Senders are HMACs of their credentials."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._granted: dict[tuple[bytes, str], _Granted] = {}
        self._refused: dict[tuple[bytes, str | None, Action | None], _Refused] = {}

    def grant(self, sender: bytes, path: str, action: Action) -> Grant | None:
        """A grant that covers this; it takes one look-up for each name of the path."""
        now, granted = self._clock(), self._granted
        for prefix in _prefixes(path):
            kept = granted.get((sender, prefix))
            if kept and kept.until > now and kept.grant.covers(path, action):
                return kept.grant
        return None

    def refusal(self, sender: bytes, path: str, action: Action) -> ApiError | None:
        """The answer that this got lately."""
        now = self._clock()
        for key in ((sender, None, None), (sender, path, action)):
            kept = self._refused.get(key)
            if kept and kept.until > now:
                return kept.error
        return None

    def add(self, sender: bytes, grant: Grant, until: float) -> None:
        """Keep a grant until a time of the clock."""
        key = sender, grant.prefix
        self._granted.pop(key, None)  # so that the new one is last in turn
        _make_room(self._granted, self._clock())
        self._granted[key] = _Granted(grant, until)

    def refuse(self, sender: bytes, path: str, action: Action, error: ApiError) -> None:
        """Keep a refusal of an action; one of credentials holds for whatever they are sent for."""
        key = (sender, None, None) if error.status == _UNAUTHORIZED else (sender, path, action)
        self._refused.pop(key, None)
        _make_room(self._refused, self._clock())
        self._refused[key] = _Refused(error, self._clock() + REFUSED_SECONDS)


_UNAUTHORIZED: Final = 401


def _prefixes(path: str) -> Iterator[str]:
    """The path, what it lies in, and the root: grants are mostly for what is near the root."""
    yield ""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)
    if path:
        yield path


def _make_room(kept: dict[_Key, _Each], now: float) -> None:
    """Drop the oldest if there are too many: first what no longer counts."""
    if len(kept) < _MOST:
        return
    for key, each in [*kept.items()]:
        if each.until <= now:
            del kept[key]
    for key in [*kept][: len(kept) - _MOST + 1]:
        del kept[key]
