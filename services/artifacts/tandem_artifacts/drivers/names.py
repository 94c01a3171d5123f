"""The names in a directory, in their order, without holding all of them; every call blocks."""

import os
from collections.abc import Iterator, Sequence

HELD = 10_000
"""Names that are kept at a time, of twice as many that are looked at: some 2 MiB."""

_PASSES = 20
"""About how often a directory is read at most: of a larger one more names are held."""


def in_order(directory: str, held: int = HELD) -> Iterator[str]:
    """Each name that is UTF-8, once, in the order of code points.

    A directory of more than `held` names is read again for those behind the last; of a very large
    one a twentieth is held. A name that comes or goes meanwhile may be among them or not. Raises
    OSError when the directory cannot be read at first; one that goes later has no more names.
    """
    names, seen = _behind("", directory, held)
    while names:
        yield from names
        if len(names) < held:
            return
        last, held = names[-1], max(held, seen // _PASSES)
        del names  # before others take as much
        try:
            names, seen = _behind(last, directory, held)
        except OSError:
            return


def _behind(last: str, directory: str, wanted: int) -> tuple[Sequence[str], int]:
    """The first names behind one, as many as are wanted, and how many the directory has in all."""
    found: list[str] = []
    bound: str | None = None
    seen = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            seen += 1
            name = entry.name
            if name > last and (bound is None or name < bound) and _is_text(name):
                found.append(name)
                if len(found) >= 2 * wanted:
                    found.sort()
                    del found[wanted:]
                    bound = found[-1]
    found.sort()
    del found[wanted:]
    return found, seen


def _is_text(name: str) -> bool:
    """Whether the name is UTF-8, as every path of the API."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
