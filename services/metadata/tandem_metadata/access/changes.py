"""Tells all workers of a service at once that accounts have changed.

Workers remember whom they checked. They are forks of one process, so they share a page of memory: a
mark for each of a few hundred groups of users, and one for everybody. Whoever changes accounts sets
a mark anew; what was read under another mark no longer counts. That costs a request no system call.
"""

import mmap
import os
import zlib
from typing import Final

_SIZE: Final = 8
_GROUPS: Final = mmap.PAGESIZE // _SIZE - 1


class Changes:
    """Of one process and all that it forks afterwards; any thread calls the methods."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)

    def note(self, name: str | None = None) -> None:
        """Say that a user has changed, or any of all: called once the change is committed."""
        place = 0 if name is None else place_of(name)
        # Random, where a count would need a lock: two at once still leave what nobody has read.
        self._page[place : place + _SIZE] = os.urandom(_SIZE)

    def now(self) -> bytes:
        """All marks, to be taken before a user is read whose place is not known."""
        return self._page[:]

    def mark(self, place: int) -> bytes:
        """The mark of the users at a place; it stays the same while none of them changes."""
        return self._page[:_SIZE] + self._page[place : place + _SIZE]


def place_of(name: str) -> int:
    """Where a user's mark is, the same in all processes."""
    return _SIZE * (1 + zlib.crc32(name.encode()) % _GROUPS)


def mark_in(marks: bytes, place: int) -> bytes:
    """As `Changes.mark`, of marks that `Changes.now` has returned."""
    return marks[:_SIZE] + marks[place : place + _SIZE]


SHARED: Final = Changes()
"""Those of this service, made before workers are forked."""
