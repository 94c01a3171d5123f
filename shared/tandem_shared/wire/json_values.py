"""How many values a JSON text holds, found out without making any of them.

Of three bytes an object may come that takes two hundred: so they are counted first. Counting goes
by short pieces: other threads get their turns in between.
"""

import re
from typing import Final

_PIECE: Final = 128 * 1024
_QUOTE: Final = ord('"')
_SIGNS: Final = (b",", b"[", b"{")
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


def more_than(body: bytes | bytearray, most: int) -> bool:
    """Whether the text has more than `most` values, names among them.

    Takes no memory. Each value but the first stands behind a comma or in a bracket of its own, and
    has two bytes at least. Only where that many signs are, those within strings are left out.
    """
    if len(body) <= 2 * most or _signs(body, 0, len(body), most) < most:
        return False
    count = place = 0
    while (start := body.find(b'"', place)) >= 0:
        count += 1 + _signs(body, place, start, most)
        if count > most:
            return True
        place = _end(body, start + 1)
    return count + _signs(body, place, len(body), most) > most


def _signs(body: bytes | bytearray, start: int, end: int, enough: int) -> int:
    """How many signs are from `start` to `end`; counting ends at `enough`."""
    count = 0
    while start < end and count <= enough:
        stop = min(start + _PIECE, end)
        count += sum(body.count(sign, start, stop) for sign in _SIGNS)
        start = stop
    return count


def _end(body: bytes | bytearray, start: int) -> int:
    """The place behind a string whose text begins at `start`."""
    while match := _STRING.match(body, start, start + _PIECE):
        end = match.end()
        if end >= len(body) or body[end] == _QUOTE:
            break
        start = end if end > start else end + 2  # a backslash is at the piece's end
    return end + 1
