"""Bytes to store, and ways to ask for them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from tandem_artifacts.drivers.base import Driver, Entry

MEBIBYTE = 1024 * 1024
_PATTERN = bytes(range(251))  # A prime length: no two chunks begin alike.


def pattern(size: int) -> bytes:
    """Bytes among which a chunk lost, doubled or out of order shows."""
    return (_PATTERN * (size // len(_PATTERN) + 1))[:size]


async def stream(data: bytes, chunk: int = 300_000) -> AsyncIterator[bytes]:
    """The data, in chunks as the network brings them."""
    for start in range(0, len(data), chunk):
        yield data[start : start + chunk]


async def breaking(data: bytes) -> AsyncIterator[bytes]:
    """The data, and then what a cut connection does."""
    async for chunk in stream(data):
        yield chunk
    raise ConnectionResetError("the client is gone")


async def hanging(data: bytes, reached: asyncio.Event) -> AsyncIterator[bytes]:
    """The data, and then silence; `reached` tells that it has begun."""
    async for chunk in stream(data):
        yield chunk
    reached.set()
    await asyncio.Event().wait()


async def fetch(
    driver: Driver,
    path: str,
    start: int = 0,
    length: int | None = None,
    etag: str | None = None,
) -> bytes:
    """A range of an object."""
    async with driver.read(path, start, length, etag=etag) as reading:
        return b"".join([chunk async for chunk in reading.chunks])


async def entries(driver: Driver, path: str) -> list[Entry]:
    """A whole listing."""
    return [entry async for entry in driver.list(path)]


async def put_all(driver: Driver, paths: Iterable[str], data: bytes = b"x") -> None:
    """Store the same bytes under every path."""
    await asyncio.gather(*(driver.write(path, stream(data)) for path in paths))


def names(directory: Path) -> list[str]:
    """What lies in a directory of the disk, sorted."""
    return sorted(path.name for path in directory.iterdir())
