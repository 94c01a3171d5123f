"""Counts the values of a JSON text without decoding it, and cuts those that are nested too deeply.

Three bytes of JSON can become an object of 200 bytes: values are counted before they are decoded.
Counting proceeds by short pieces, between which other threads can run.
"""

import re
from typing import Final

_PIECE: Final = 128 * 1024
_QUOTE: Final = ord('"')
_SIGNS: Final = (b",", b"[", b"{")
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_OPENING: Final = b"[{"


def more_than(body: bytes | bytearray, most: int) -> bool:
    """Whether the text has more than `most` values, names included.

    Takes no memory. Each value but the first follows a comma or an opening bracket, and takes two
    bytes at least. Signs within strings are left out only if all signs together are too many.
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


def cut(body: bytes, depth: int) -> bytes:
    """The text with null for each array and object that lies within `depth` others.

    Decoders follow some hundred levels, and refuse the whole text where there are more.
    """
    pieces: list[bytes] = []
    level = kept = 0
    for found in _STRING_OR_BRACKET.finditer(body):
        at = found.start()
        sign = body[at]
        if sign == _QUOTE:
            continue
        if sign in _OPENING:
            if level == depth:
                pieces += (body[kept:at], b"null")
            level += 1
        else:
            level -= 1
            if level == depth:
                kept = at + 1
    if level <= depth:
        pieces.append(body[kept:])
    return b"".join(pieces)


def _signs(body: bytes | bytearray, start: int, end: int, enough: int) -> int:
    """The number of signs from `start` to `end`; counting stops above `enough`."""
    count = 0
    while start < end and count <= enough:
        stop = min(start + _PIECE, end)
        count += sum(body.count(sign, start, stop) for sign in _SIGNS)
        start = stop
    return count


def _end(body: bytes | bytearray, start: int) -> int:
    """The index after the closing quote of a string whose text begins at `start`."""
    while match := _STRING.match(body, start, start + _PIECE):
        end = match.end()
        if end >= len(body) or body[end] == _QUOTE:
            break
        start = end if end > start else end + 2  # a backslash is at the piece's end
    return end + 1
