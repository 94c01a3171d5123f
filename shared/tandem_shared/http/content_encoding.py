"""Bodies that were sent compressed."""

import zlib
from typing import Final

from tandem_shared.errors import BadRequest
from tandem_shared.http.router import too_large

ENCODINGS: Final = frozenset({"gzip", "deflate"})

_EITHER: Final = 32 + zlib.MAX_WBITS
"""gzip or zlib, by what the data begins with."""
_RAW: Final = -zlib.MAX_WBITS


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of a body of one of `ENCODINGS`, of at most `limit` bytes.

    `deflate` is zlib's format, or the bare stream that some clients send. Raises BadRequest for a
    stream that is broken or not at its end, and 413 for a longer content.
    """
    try:
        return _decompress(body, _EITHER, limit)
    except zlib.error:
        if encoding != "deflate":
            raise _broken(encoding) from None
    try:
        return _decompress(body, _RAW, limit)
    except zlib.error:
        raise _broken(encoding) from None


def _decompress(body: bytes, window: int, limit: int) -> bytes:
    """Members of a gzip file follow each other; each is read."""
    parts = []
    left = limit
    while body:
        stream = zlib.decompressobj(window)
        part = stream.decompress(body, left + 1)
        left -= len(part)
        if left < 0:
            raise too_large(limit)
        if not stream.eof:
            raise zlib.error("the stream has no end")
        parts.append(part)
        body = stream.unused_data
    return b"".join(parts)


def _broken(encoding: str) -> BadRequest:
    return BadRequest(f"The request body is not valid {encoding}.")
