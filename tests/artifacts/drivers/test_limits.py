"""How large an object may be, and how little memory it takes."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tandem_artifacts.drivers import upload
from tandem_artifacts.drivers.upload import MAX_PARTS, part_bytes
from tandem_shared.errors import InvalidParameter
from tests.artifacts.drivers.conftest import Bucket, Store
from tests.artifacts.drivers.content import fetch, pattern, stream

GIBIBYTE = 1024**3
TRANSFER_MEBIBYTES = (48, 96)
"""Of two transfers: the first takes all the memory that one needs."""
GROWTH_MEBIBYTES = 30
MEMORY_MEBIBYTES = 150

# In a process of its own; VmHWM, because ru_maxrss begins with what the parent used.
PROGRAM = """
import asyncio, os, re, sys
from pathlib import Path
from tandem_artifacts.drivers.open import open_driver

CHUNK = bytes(65536)

async def chunks(mebibytes):
    for _ in range(mebibytes * 16):
        yield CHUNK

async def main():
    driver = open_driver(sys.argv[1])
    for mebibytes in map(int, sys.argv[2:]):
        await driver.write("large", chunks(mebibytes))
        moved = 0
        async with driver.read("large") as reading:
            async for chunk in reading.chunks:
                moved += len(chunk)
        await driver.delete("large")
        peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
        print(moved // 1024**2, int(peak[1]) // 1024)
    await driver.close()

asyncio.run(main())
# Python before 3.14 aborts if a thread of obstore wants it again while it ends.
sys.stdout.flush()
os._exit(0)
"""


def test_memory_does_not_grow_with_the_object(
    kind: str, make_store: Callable[[str], Store]
) -> None:
    store = make_store(kind)

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, store.destination, *map(str, TRANSFER_MEBIBYTES)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )

    assert done.returncode == 0, done.stderr
    first, first_peak, second, second_peak = map(int, done.stdout.split())
    assert (first, second) == TRANSFER_MEBIBYTES
    assert second_peak < first_peak + GROWTH_MEBIBYTES
    assert second_peak < MEMORY_MEBIBYTES
    assert store.keys() == []
    assert store.leftovers() == []


def test_parts_of_an_upload_hold_more_than_a_tebibyte() -> None:
    sizes = [part_bytes(number) for number in range(1, MAX_PARTS + 1)]

    assert sum(sizes) > 1024 * GIBIBYTE
    assert sizes == sorted(sizes)
    assert max(sizes) < 5 * GIBIBYTE  # S3's limit.


def test_upload_of_two_gibibytes_keeps_to_small_parts() -> None:
    total, largest = 0, 0
    for number in count(1):
        largest = part_bytes(number)
        total += largest
        if total >= 2 * GIBIBYTE:
            break

    assert largest == upload.PART_BYTES


def test_upload_of_known_size_keeps_to_small_parts_up_to_what_ten_thousand_hold() -> None:
    assert part_bytes(1, 1) == part_bytes(MAX_PARTS, 70 * GIBIBYTE) == upload.PART_BYTES
    terabyte = 1024 * GIBIBYTE
    assert part_bytes(1, terabyte) == part_bytes(MAX_PARTS, terabyte)
    assert MAX_PARTS * part_bytes(1, terabyte) >= terabyte


class Cramped:
    """Room for one part, and no more; remembers the most that was asked for."""

    def __init__(self) -> None:
        self.refused = 0

    def hold(self, size: int) -> bool:
        self.refused += size > upload.PART_BYTES
        return size <= upload.PART_BYTES


@pytest.mark.anyio
async def test_upload_without_room_for_more_sends_part_by_part(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pattern(3 * upload.PART_BYTES + 5)
    room = Cramped()
    inner = bucket.driver.inner.bucket  # type: ignore[attr-defined]
    send, at_once, most = inner.put_part, 0, 0

    def count_them(*arguments: Any) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        etag: str = send(*arguments)
        at_once -= 1
        return etag

    monkeypatch.setattr(inner, "put_part", count_them)
    await bucket.driver.write("object", stream(data), size=len(data), room=room)
    assert await fetch(bucket.driver, "object") == data
    assert room.refused
    assert most == 1


@pytest.mark.anyio
async def test_parts_may_grow_during_an_upload(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_SAME_SIZE_PARTS", 1)
    data = pattern(8 * 1024**2 + 16 * 1024**2 + 5)

    await bucket.driver.write("object", stream(data))

    assert (await bucket.driver.stat("object")).etag.endswith("-3")
    assert await fetch(bucket.driver, "object") == data


@pytest.mark.anyio
async def test_upload_of_too_many_parts_is_refused_and_leaves_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "MAX_PARTS", 2)

    with pytest.raises(InvalidParameter, match="larger"):
        await bucket.driver.write("object", stream(bytes(2 * upload.PART_BYTES + 1)))

    assert bucket.keys() == []
