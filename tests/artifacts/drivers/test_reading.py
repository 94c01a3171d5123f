"""Bytes of a file: from memory while they are there, then by threads that read ahead."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_artifacts.drivers import disk
from tandem_artifacts.drivers.reading import ReadAhead
from tandem_shared.concurrency.threads import Threads
from tests.artifacts.drivers.content import pattern

pytestmark = pytest.mark.anyio
CONTENT = pattern(40 * 1024 * 1024)
_ATTEMPTS = 5
"""To be asked is enough for Linux to read from the disk, now and then before it answers."""


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads("test", 2)
    yield threads
    threads.close()


class File:
    """Content of which the first bytes are in memory; counts who read how much."""

    def __init__(self, in_memory: int) -> None:
        self.at = 0
        self.in_memory = in_memory
        self.read_by_threads = 0

    def read(self, size: int) -> bytes:
        self.read_by_threads += size
        return self._take(size)

    def read_cached(self, size: int) -> bytes:
        return self._take(size) if self.at + size <= self.in_memory else b""

    def _take(self, size: int) -> bytes:
        chunk = CONTENT[self.at : self.at + size]
        self.at += len(chunk)
        return chunk


@pytest.mark.parametrize("in_memory", [0, 10_000_000, len(CONTENT)])
@pytest.mark.parametrize("first", [0, 1000])
async def test_read_outside_the_page_cache_goes_through_threads(
    threads: Threads, in_memory: int, first: int
) -> None:
    file = File(in_memory)
    chunks = ReadAhead(
        threads, file.read, len(CONTENT), file._take(first), read_cached=file.read_cached
    )
    assert b"".join([chunk async for chunk in chunks]) == CONTENT
    rest = len(CONTENT) - first
    assert file.read_by_threads == {0: rest, len(CONTENT): 0}.get(in_memory, file.read_by_threads)
    assert file.read_by_threads >= rest - in_memory


async def test_read_without_a_page_cache_is_ahead_from_the_first_chunk_on(
    threads: Threads,
) -> None:
    file = File(0)
    chunks = ReadAhead(threads, file.read, len(CONTENT), file._take(1000))
    assert len(await anext(chunks)) == 1000
    await chunks.aclose()
    assert file.read_by_threads > 0


@pytest.mark.parametrize("fast", [True, False])
async def test_chunks_grow_with_the_speed_of_the_reader(
    threads: Threads, monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr("tandem_artifacts.drivers.reading._FAST_SECONDS", 10.0 if fast else 0.0)
    monkeypatch.setattr("tandem_artifacts.drivers.reading._SLOW_SECONDS", 20.0 if fast else 0.0)
    sizes = []
    length = 40 * 1024 * 1024
    async for chunk in ReadAhead(threads, bytes, length):
        sizes.append(len(chunk))
    assert sum(sizes) == length
    if fast:
        assert sizes[0] < sizes[len(sizes) // 2] <= max(sizes) <= 4 * 1024 * 1024
    else:
        assert sizes[-2] == min(sizes[:-1]) == 64 * 1024


def _drop_from_memory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def test_page_cache_counts_as_empty_where_the_system_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_NOWAIT", None)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    source = disk.Source(os.open(path, disk.READ_FLAGS), "file")
    assert source.read_cached(7) == b""
    assert source.read(7) == b"content"
    source.close()


def test_page_cache_is_known_by_the_system(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT[:3_000_000])
    source = disk.Source(os.open(path, disk.READ_FLAGS), "file")
    if not (begun := source.read_cached(1_000_000)):
        pytest.skip("the file system of temporary files cannot tell")
    assert begun == CONTENT[:1_000_000]
    for _ in range(_ATTEMPTS):
        _drop_from_memory(path)
        if not (cached := source.read_cached(1_000_000)):
            break
        source.seek(1_000_000)
    assert cached == b""
    assert source.read(1_000_000) == CONTENT[1_000_000:2_000_000]
    path.write_bytes(CONTENT[:3_000_000])
    assert source.read_cached(1_000_000) == CONTENT[2_000_000:3_000_000]
    assert source.read_cached(1) == b""
    source.close()
