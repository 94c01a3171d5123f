"""Listings that are taken apart while they come."""

import json
import tracemalloc
from typing import Any

import pytest

from tandem_metadata.artifacts.listing_parser import WHOLE, FileInfo, NoListing, Packed, Reader

NAMES = ['a"b', "},{", "[]", "\\", "ä", "漢\U0001f600", "\\u0041", "x" * 500]
MANY = [
    {
        "path": f"{number}-{NAMES[number % len(NAMES)]}",
        "is_dir": number % 3 == 0,
        "file_size": 2**53,
    }
    for number in range(3_000)
]


def _read(data: bytes, step: int) -> list[dict[str, Any]]:
    reader = Reader()
    found: list[FileInfo] = []
    for start in range(0, len(data), step):
        found += reader.feed(data[start : start + step])
    found += reader.end()
    return [
        {"path": each.path, "is_dir": each.is_dir, "file_size": each.file_size} for each in found
    ]


@pytest.mark.parametrize("step", [999, WHOLE - 1, WHOLE, WHOLE + 1, 10**7])
@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_entries_are_the_same_however_their_bytes_come(
    step: int, style: dict[str, Any], ascii_only: bool
) -> None:
    data = json.dumps({"files": MANY}, ensure_ascii=ascii_only, **style).encode()
    assert len(data) > 3 * WHOLE
    assert _read(data, step) == MANY


@pytest.mark.parametrize("step", [1, 7, 100])
def test_a_short_listing_may_be_written_in_any_way(step: int) -> None:
    data = b' {"more": [1], "files": [{"is_dir":true, "path":"d", "other":{}}]} '
    assert _read(data, step) == [{"path": "d", "is_dir": True, "file_size": None}]
    assert _read(b"{}", step) == []


def _many(first: bytes = b"", last: bytes = b"]}") -> bytes:
    entry = b'{"path":"x","is_dir":false}'
    return b'{"files":[' + first + b",".join([entry] * 9_000) + last


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        _many(last=b"]"),
        _many(last=b"]}]"),
        _many(last=b',{"path":"x"'),
        _many(last=b"]}\xe6"),
        _many(first=b"7,"),
        _many(first=b'{"path":7,"is_dir":false},'),
        _many(first=b'{"path":"' + b"x" * 2 * WHOLE + b'","is_dir":false},'),
        _many(first=b'{"path":' + b"[" * 100_000),
        _many()[1:],
    ],
    ids=lambda data: f"{data[:24]!r}..{data[-8:]!r}",
)
def test_what_is_no_listing_is_refused(data: bytes) -> None:
    with pytest.raises(NoListing):
        _read(data, 5_000)


def _packed(files: list[FileInfo], at_once: int) -> Packed:
    packed = Packed()
    for start in range(0, len(files), at_once):
        packed.add(files[start : start + at_once])
    return packed


@pytest.mark.parametrize("at_once", [1, 7, 5_000, 20_000])
def test_what_was_packed_comes_back(at_once: int) -> None:
    files = [FileInfo(f"file-{number}", False, number) for number in range(20_000)]
    packed = _packed(files, at_once)
    size = packed.size
    data = b"".join(packed.unpacked())
    assert len(data) == size
    assert json.loads(b"[" + data + b"]") == [
        {"path": f"file-{number}", "is_dir": False, "file_size": number} for number in range(20_000)
    ]


def test_nothing_packed_is_nothing() -> None:
    packed = Packed()
    packed.add([])
    assert packed.size == 0
    assert b"".join(packed.unpacked()) == b""


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(NoListing):
        Packed().add([FileInfo("\ud800", False)])


def test_a_long_listing_takes_little_memory() -> None:
    entry = '{"path":"checkpoint-%09d.bin","is_dir":false,"file_size":1}'
    tracemalloc.start()
    try:
        reader, packed = Reader(), Packed()
        packed.add(reader.feed(b'{"files":['))
        for page in range(100):
            chunk = ",".join(entry % number for number in range(page * 1000, page * 1000 + 1000))
            packed.add(reader.feed(chunk.encode() + (b"," if page < 99 else b"]}")))
        packed.add(reader.end())
        given = sum(map(len, packed.unpacked()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert given > 6_000_000
    assert peak < 3_000_000
