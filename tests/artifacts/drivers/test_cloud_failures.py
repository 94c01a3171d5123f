"""Stores of Azure and Google that are missing, slow or gone."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.drivers.upload import PART_BYTES
from tandem_shared.errors import ApiError, Unavailable
from tests import google_storage
from tests.artifacts.drivers.conftest import Container, Store
from tests.artifacts.drivers.content import breaking, fetch, stream
from tests.artifacts.drivers.refusals import refusals
from tests.faults.gate import Gate
from tests.google_storage import GoogleStorage

pytestmark = pytest.mark.anyio


@pytest.fixture
def gated(
    make_store: Callable[[str], Store], google: GoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Store, Gate]]:
    """A store of Google's, and the gate before its server."""
    store = make_store("gs")
    at = urlsplit(google.url)
    gate = Gate(at.hostname or "", at.port or 0)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{gate.port}")
    yield store, gate
    gate.close()


async def test_missing_bucket_fails_the_check(cloud: Store) -> None:
    name = "tandem-tests@" if isinstance(cloud, Container) else google_storage.BUCKET
    driver = open_driver(cloud.destination.replace(name, f"no-such-{name}"))

    with pytest.raises(ApiError) as raised:
        await driver.check()

    await driver.close()
    if isinstance(cloud, Container):  # Whom the S3 server does not know may not learn this.
        assert "bucket" in raised.value.message
        assert isinstance(raised.value, Unavailable)


async def test_server_that_does_not_answer_is_unavailable(
    cloud: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_artifacts.drivers.objects.ATTEMPTS", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://{nowhere}/devstoreaccount1")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", nowhere)
        driver = open_driver(cloud.destination)

        errors = await refusals(driver)

        await driver.close()
    assert {type(error) for error in errors} == {Unavailable}
    assert all(nowhere not in error.message for error in errors)


async def test_part_that_takes_too_long_fails_the_upload(
    gated: tuple[Store, Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = gated
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "1")
    monkeypatch.setattr("tandem_artifacts.drivers.objects.ATTEMPTS", 1)
    driver = open_driver(store.destination)
    try:
        with gate.frozen(), pytest.raises(Unavailable):
            await driver.write("object", stream(b"x"))
        # Another one: what was sent of the first may still arrive.
        await driver.write("other", stream(b"y"))
        assert await fetch(driver, "other") == b"y"
    finally:
        await driver.close()


async def test_failing_store_ends_the_upload_before_its_bytes_have_come(
    gated: tuple[Store, Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = gated
    monkeypatch.setattr("tandem_artifacts.drivers.objects.ATTEMPTS", 1)
    driver = open_driver(store.destination)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            yield bytes(PART_BYTES)
            sent += 1

    try:
        with gate.gone(), pytest.raises(Unavailable):
            await driver.write("object", endless())
        assert sent < 20
    finally:
        await driver.close()


async def test_upload_that_breaks_off_while_the_store_is_gone_fails_as_it_broke_off(
    gated: tuple[Store, Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = gated
    monkeypatch.setattr("tandem_artifacts.drivers.objects.ATTEMPTS", 1)
    driver = open_driver(store.destination)

    async def cut() -> AsyncIterator[bytes]:
        async for chunk in breaking(bytes(PART_BYTES + 1)):
            yield chunk

    try:
        with gate.gone(), pytest.raises((ConnectionResetError, Unavailable)):
            await driver.write("object", cut())
        assert store.keys() == []
    finally:
        await driver.close()
