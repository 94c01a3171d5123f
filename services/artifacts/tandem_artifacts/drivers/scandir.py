"""A directory's names in sorted order, in bounded memory. Every call blocks: threads make it."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice

HELD = 10_000
"""Names kept per pass; twice as many are in memory while sorted, some 2 MiB."""

_PASSES = 20
"""Most passes over a directory, about; more names are kept per pass of a larger one."""


def sorted_scandir(directory: str, held: int = HELD) -> Iterator[str]:
    """Each name that is UTF-8, once, in the order of code points.

    A pass over the directory yields `held` names, or a twentieth of a very large directory. A name
    that comes or goes meanwhile may be missing or not. Raises OSError when the directory cannot be
    read at first; one that goes later has no more names.
    """
    names, total = _first_after("", directory, held)
    while names:
        yield from names
        if len(names) < held:
            return
        last, held = names[-1], max(held, total // _PASSES)
        del names  # Freed before the next names take as much.
        try:
            names, total = _first_after(last, directory, held)
        except OSError:
            return


def _first_after(last: str, directory: str, wanted: int) -> tuple[Sequence[str], int]:
    """The smallest `wanted` names greater than `last`, and how many names there are in all."""
    total = 0

    def names() -> Iterator[str]:
        nonlocal total
        for entry in entries:
            total += 1
            if entry.name > last and _is_utf8(entry.name):
                yield entry.name

    found: list[str] = []
    with os.scandir(directory) as entries:
        unsorted = names()
        for name in unsorted:
            found += (name, *islice(unsorted, wanted - 1))
            found.sort()
            del found[wanted:]
    return found, total


def _is_utf8(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
