"""Bodies that were sent compressed are read within a limit."""

import gzip
import tracemalloc
import zlib

import pytest

from tandem_shared.errors import BadRequest
from tandem_shared.http.content_encoding import decompress

CONTENT = b"content " * 1000


def _raw(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(CONTENT)),
        ("gzip", gzip.compress(CONTENT[:100]) + gzip.compress(b"") + gzip.compress(CONTENT[100:])),
        ("deflate", zlib.compress(CONTENT)),
        ("deflate", _raw(CONTENT)),
    ],
    ids=["gzip", "gzip-in-parts", "zlib", "raw-deflate"],
)
def test_content_up_to_the_limit_is_read(encoding: str, body: bytes) -> None:
    assert decompress(body, encoding, len(CONTENT)) == CONTENT
    with pytest.raises(BadRequest) as refused:
        decompress(body, encoding, len(CONTENT) - 1)
    assert refused.value.status == 413


def test_an_empty_body_has_no_content() -> None:
    assert decompress(b"", "gzip", 0) == b""


def test_no_more_than_the_limit_is_ever_in_memory() -> None:
    """A hundred megabytes take a hundred kilobytes to send."""
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(BadRequest) as refused:
        decompress(bomb, "gzip", 1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert most < 1_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body",
    [b"nonsense", gzip.compress(CONTENT)[:-1], gzip.compress(CONTENT) + b"more"],
    ids=["nonsense", "cut", "more"],
)
def test_a_broken_stream_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(BadRequest, match=f"not valid {encoding}") as refused:
        decompress(body, encoding, 10_000)
    assert refused.value.status == 400
