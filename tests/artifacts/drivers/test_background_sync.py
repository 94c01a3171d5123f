"""Long uploads to a disk, which are synced while they grow."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator

import pytest

from tandem_artifacts.drivers import background_sync, disk
from tandem_artifacts.drivers.base import LONG_CHUNK_BYTES
from tandem_artifacts.drivers.local import UPLOADS
from tandem_shared.errors import Unavailable
from tests.artifacts.drivers.conftest import Directory
from tests.artifacts.drivers.content import MEBIBYTE, fetch, hanging, names, pattern, stream

pytestmark = pytest.mark.anyio
_SECONDS = 30
_CONTENT = pattern(5 * LONG_CHUNK_BYTES)


@pytest.fixture(autouse=True)
def short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_sync, "SYNC_BYTES", LONG_CHUNK_BYTES)


async def test_background_sync_writes_a_chunk_before_the_next_comes(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Semaphore(0)

    def sync(descriptor: int) -> None:
        os.fdatasync(descriptor)
        synced.release()

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in stream(_CONTENT, MEBIBYTE):
            yield chunk
        assert await asyncio.to_thread(synced.acquire, timeout=_SECONDS)
        yield b"the end"

    monkeypatch.setattr(disk, "_sync_data", sync)
    await local.driver.write("object", chunks())
    assert await fetch(local.driver, "object") == _CONTENT + b"the end"


@pytest.mark.parametrize("failing", [1, 2], ids=["while more comes", "at the end"])
async def test_background_sync_that_failed_once_fails_the_upload(
    local: Directory, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    calls = 0

    def sync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(descriptor)

    monkeypatch.setattr(disk, "_sync_data", sync)
    content = _CONTENT if failing == 1 else _CONTENT[: 4 * LONG_CHUNK_BYTES]
    with pytest.raises(Unavailable, match="does not answer"):
        # Slow enough that the first sync has ended when the next is due.
        await local.driver.write("object", _slowly(content))
    assert calls == failing
    assert local.keys() == []
    assert names(local.root / UPLOADS) == []


async def _slowly(content: bytes) -> AsyncIterator[bytes]:
    async for chunk in stream(content, LONG_CHUNK_BYTES):
        yield chunk
        await asyncio.sleep(0.1)


async def test_background_sync_ends_before_a_broken_upload_is_removed(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    alive: list[bool] = []

    def sync(descriptor: int) -> None:
        begun.set()
        go.wait(_SECONDS)
        alive.append(os.fstat(descriptor).st_size > 0)

    monkeypatch.setattr(disk, "_sync_data", sync)
    reached = asyncio.Event()
    writing = asyncio.ensure_future(local.driver.write("object", hanging(_CONTENT, reached)))
    await reached.wait()
    assert await asyncio.to_thread(begun.wait, _SECONDS)
    writing.cancel()
    await asyncio.sleep(0.1)
    assert not writing.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert alive
    assert all(alive)
    assert names(local.root / UPLOADS) == []
