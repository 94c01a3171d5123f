"""What the guard adds to every driver: checked paths, and metrics."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from starlette.requests import ClientDisconnect

from tandem_artifacts.drivers.base import Driver
from tandem_artifacts.drivers.instrumented import InstrumentedDriver
from tandem_artifacts.drivers.local import Local
from tandem_shared.errors import InvalidParameter, NotFound, PermissionDenied
from tests.artifacts.drivers.content import entries, fetch, hanging, stream

pytestmark = pytest.mark.anyio

UNSAFE = [
    "..",
    "../x",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "./a",
    "..\\b",
    "a\x00b",
    "%2e%2e/x",
    "a#b",
]


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return InstrumentedDriver(Local(tmp_path / "root"))


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def operations(operation: str, outcome: str) -> float:
    return sample(
        "tandem_artifact_driver_duration_seconds_count", operation=operation, outcome=outcome
    )


@pytest.mark.parametrize("path", UNSAFE)
async def test_unsafe_path_is_refused_by_every_operation(driver: Driver, path: str) -> None:
    for operation in (
        driver.stat(path),
        fetch(driver, path),
        driver.write(path, stream(b"x")),
        entries(driver, path),
        driver.delete(path),
        driver.create_multipart(path, 1),
        driver.complete_multipart(path, "id", []),
        driver.abort_multipart(path, "id"),
        driver.presign_download(path),
    ):
        with pytest.raises(InvalidParameter):
            await operation


async def test_root_is_listed_but_neither_written_nor_deleted(driver: Driver) -> None:
    await driver.write("object", stream(b"x"))

    with pytest.raises(InvalidParameter):
        await driver.delete("")
    with pytest.raises(InvalidParameter):
        await driver.write("", stream(b"x"))
    assert [entry.path for entry in await entries(driver, "")] == ["object"]


async def test_bytes_are_counted_as_they_move(driver: Driver) -> None:
    before_in = sample("tandem_artifact_bytes_total", direction="in")
    before_out = sample("tandem_artifact_bytes_total", direction="out")

    await driver.write("object", stream(bytes(1_000_000)))
    await fetch(driver, "object", 0, 10)

    assert sample("tandem_artifact_bytes_total", direction="in") - before_in == 1_000_000
    assert sample("tandem_artifact_bytes_total", direction="out") - before_out == 10


async def test_transfers_are_counted_while_they_last(driver: Driver) -> None:
    gauge = "tandem_artifact_transfers_in_flight"
    reached = asyncio.Event()
    task = asyncio.create_task(driver.write("slow", hanging(b"x", reached)))
    await reached.wait()
    await driver.write("object", stream(b"x"))
    async with driver.read("object"):
        assert sample(gauge, direction="in") == 1
        assert sample(gauge, direction="out") == 1
    task.cancel()
    await asyncio.wait([task])

    assert sample(gauge, direction="in") == 0
    assert sample(gauge, direction="out") == 0


async def test_operations_are_counted_by_outcome(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        (operation, outcome): operations(operation, outcome)
        for operation in ("read", "write", "stat")
        for outcome in ("ok", "refused", "failed", "cancelled")
    }

    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError

    await driver.write("object", stream(b"x"))
    with monkeypatch.context() as patched:
        patched.setattr(driver.inner, "write", fails)
        with pytest.raises(RuntimeError):
            await driver.write("object", stream(b"x"))
    reached = asyncio.Event()
    task = asyncio.create_task(driver.write("object", hanging(b"x", reached)))
    await reached.wait()
    task.cancel()
    await asyncio.wait([task])
    await fetch(driver, "object")
    with pytest.raises(NotFound):
        await driver.stat("none")

    changed = {key for key, count in before.items() if operations(*key) - count == 1}
    assert changed == {
        ("write", "ok"),
        ("write", "failed"),
        ("write", "cancelled"),
        ("read", "ok"),
        ("stat", "refused"),
    }


async def test_client_that_leaves_is_no_failure_of_the_store(driver: Driver) -> None:
    async def broken_off() -> AsyncIterator[bytes]:
        yield b"x"
        raise ClientDisconnect

    before = {outcome: operations("write", outcome) for outcome in ("failed", "cancelled")}
    with pytest.raises(ClientDisconnect):
        await driver.write("object", broken_off())
    assert operations("write", "failed") == before["failed"]
    assert operations("write", "cancelled") == before["cancelled"] + 1


async def test_failure_of_the_store_is_logged_with_its_reason(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    await driver.write("object", stream(b"x"))
    before = operations("read", "failed")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionDenied):
        await fetch(driver, "object")

    assert operations("read", "failed") == before + 1
    assert "read failed: [Errno 13] Permission denied" in caplog.text


async def test_request_that_is_refused_is_not_logged_as_a_failure(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotFound):
        await driver.stat("none")
    assert caplog.records == []
