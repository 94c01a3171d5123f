"""The incremental parser of listings, and the compressed storage of their entries."""

import json
import tracemalloc
from typing import Any

import pytest

from tandem_metadata.artifacts.listing_parser import (
    MAX_ENTRY_CHARACTERS,
    CompressedEntries,
    FileInfo,
    ListingParser,
    MalformedListing,
)

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
    parser = ListingParser()
    found: list[FileInfo] = []
    for start in range(0, len(data), step):
        found += parser.feed(data[start : start + step])
    found += parser.end()
    return [
        {"path": each.path, "is_dir": each.is_dir, "file_size": each.file_size} for each in found
    ]


@pytest.mark.parametrize(
    "step", [999, MAX_ENTRY_CHARACTERS - 1, MAX_ENTRY_CHARACTERS, MAX_ENTRY_CHARACTERS + 1, 10**7]
)
@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_parser_returns_the_same_entries_for_any_chunks_and_style(
    step: int, style: dict[str, Any], ascii_only: bool
) -> None:
    data = json.dumps({"files": MANY}, ensure_ascii=ascii_only, **style).encode()
    assert len(data) > 3 * MAX_ENTRY_CHARACTERS
    assert _read(data, step) == MANY


@pytest.mark.parametrize("step", [1, 7, 100])
def test_parser_accepts_any_json_for_a_short_listing(step: int) -> None:
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
        _many(first=b'{"path":"' + b"x" * 2 * MAX_ENTRY_CHARACTERS + b'","is_dir":false},'),
        _many(first=b'{"path":' + b"[" * 100_000),
        _many()[1:],
    ],
    ids=lambda data: f"{data[:24]!r}..{data[-8:]!r}",
)
def test_parser_refuses_malformed_listings(data: bytes) -> None:
    with pytest.raises(MalformedListing):
        _read(data, 5_000)


def _compressed(files: list[FileInfo], at_once: int) -> CompressedEntries:
    entries = CompressedEntries()
    for start in range(0, len(files), at_once):
        entries.add(files[start : start + at_once])
    return entries


@pytest.mark.parametrize("at_once", [1, 7, 5_000, 20_000])
def test_compressed_entries_come_back_unchanged(at_once: int) -> None:
    files = [FileInfo(f"file-{number}", False, number) for number in range(20_000)]
    entries = _compressed(files, at_once)
    size = entries.size
    data = b"".join(entries.decompressed())
    assert len(data) == size
    assert json.loads(b"[" + data + b"]") == [
        {"path": f"file-{number}", "is_dir": False, "file_size": number} for number in range(20_000)
    ]


def test_compressed_entries_may_be_empty() -> None:
    entries = CompressedEntries()
    entries.add([])
    assert entries.size == 0
    assert b"".join(entries.decompressed()) == b""


def test_compressed_entries_refuse_a_name_that_utf8_cannot_encode() -> None:
    with pytest.raises(MalformedListing):
        CompressedEntries().add([FileInfo("\ud800", False)])


def test_parser_and_compressed_entries_take_little_memory_for_100000_files() -> None:
    entry = '{"path":"checkpoint-%09d.bin","is_dir":false,"file_size":1}'
    tracemalloc.start()
    try:
        parser, entries = ListingParser(), CompressedEntries()
        entries.add(parser.feed(b'{"files":['))
        for page in range(100):
            chunk = ",".join(entry % number for number in range(page * 1000, page * 1000 + 1000))
            entries.add(parser.feed(chunk.encode() + (b"," if page < 99 else b"]}")))
        entries.add(parser.end())
        given = sum(map(len, entries.decompressed()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert given > 6_000_000
    assert peak < 3_000_000
