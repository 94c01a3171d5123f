"""What the drivers of Azure and Google promise besides: sizes, errors, ways to log in."""

import asyncio
import gzip
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tandem_artifacts.drivers import upload
from tandem_artifacts.drivers.base import Driver, Entry
from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.drivers.upload import PART_BYTES
from tandem_shared.errors import (
    ApiError,
    InvalidParameter,
    NotSupported,
    PermissionDenied,
    Unavailable,
)
from tests import azurite, data_lake, google_storage
from tests.artifacts.drivers.conftest import Bucket, Container, Store
from tests.artifacts.drivers.content import breaking, entries, fetch, pattern, put_all, stream
from tests.azurite import Azurite
from tests.cloud import identities
from tests.faults.gate import Gate
from tests.google_storage import GoogleStorage
from tests.harness.certificates import HERE, Authority

pytestmark = pytest.mark.anyio


def put_by_hand(
    store: Store, name: str, content: bytes, *, kind: str = "text/x-own", encoding: str = ""
) -> None:
    """An object that another program has stored."""
    if isinstance(store, Container):
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": kind}
        if encoding:
            headers["x-ms-blob-content-encoding"] = encoding
        path = f"{store.container}/{store.prefix}/{name}"
        store.server.request("PUT", path, {}, content, headers).raise_for_status()
        return
    assert isinstance(store, Bucket)
    given = {"ContentEncoding": encoding} if encoding else {}
    with closing(store.server.client()) as client:
        client.put_object(
            Bucket=store.bucket,
            Key=f"{store.prefix}/{name}",
            Body=content,
            ContentType=kind,
            **given,
        )


def type_of(store: Store, name: str) -> str:
    """The media type that is stored with an object."""
    if isinstance(store, Container):
        path = f"{store.container}/{store.prefix}/{name}"
        return store.server.request("HEAD", path, {}).headers["content-type"]
    assert isinstance(store, Bucket)
    with closing(store.server.client()) as client:
        found = client.head_object(Bucket=store.bucket, Key=f"{store.prefix}/{name}")
    return found["ContentType"]


def parts_of(store: Store, name: str) -> int:
    """In how many requests an object came."""
    if isinstance(store, Container):
        path = f"{store.container}/{store.prefix}/{name}"
        return store.server.request("GET", path, {"comp": "blocklist"}).text.count("<Block>") or 1
    assert isinstance(store, Bucket)
    with closing(store.server.client()) as client:
        etag = client.head_object(Bucket=store.bucket, Key=f"{store.prefix}/{name}")["ETag"]
    return int(etag.strip('"').partition("-")[2] or 1)


async def test_nothing_is_signed_for_clients(cloud: Store) -> None:
    driver = cloud.driver
    assert (driver.multipart, driver.presigned, driver.host) == (False, False, None)
    with pytest.raises(NotSupported):
        await driver.create_multipart("object", 1)
    with pytest.raises(NotSupported):
        await driver.presign_download("object")


async def test_object_and_objects_below_it_live_side_by_side(cloud: Store) -> None:
    await cloud.driver.write("a", stream(b"one"))
    await cloud.driver.write("a/b", stream(b"two"))

    assert await fetch(cloud.driver, "a") == b"one"
    assert await fetch(cloud.driver, "a/b") == b"two"
    assert await entries(cloud.driver, "") == [Entry("a", False, 3), Entry("a", True, None)]
    await cloud.driver.delete("a")
    assert cloud.keys() == []


async def test_object_with_a_content_encoding_is_read_as_it_is_stored(cloud: Store) -> None:
    packed = gzip.compress(pattern(3_000_000))
    put_by_hand(cloud, "data.csv.gz", packed, encoding="gzip")

    assert (await cloud.driver.stat("data.csv.gz")).encoding == "gzip"
    assert await fetch(cloud.driver, "data.csv.gz") == packed
    assert await fetch(cloud.driver, "data.csv.gz", 5, 100) == packed[5:105]


async def test_google_is_told_not_to_unpack(
    make_store: Callable[[str], Store], google: GoogleStorage
) -> None:
    store = make_store("gs")
    driver = open_driver(store.destination)
    await driver.write("object", stream(b"x"))
    google.asked.clear()

    assert await fetch(driver, "object") == b"x"

    await driver.close()
    assert google.asked == [("GET", "gzip")]


async def test_type_of_an_object_is_that_of_its_name(cloud: Store) -> None:
    await cloud.driver.write("page.html", stream(b"x"))
    await cloud.driver.write("model.safetensors", stream(bytes(PART_BYTES + 1)))

    assert type_of(cloud, "page.html") == "text/html"
    assert type_of(cloud, "model.safetensors") == "application/octet-stream"


async def test_small_object_is_one_request_and_a_large_one_is_parts(cloud: Store) -> None:
    await cloud.driver.write("small", stream(bytes(PART_BYTES)))
    await cloud.driver.write("large", stream(bytes(2 * PART_BYTES + 1)))

    assert parts_of(cloud, "small") == 1
    assert parts_of(cloud, "large") == 3


async def test_parts_are_as_large_as_the_announced_size_needs(
    cloud: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "MAX_PARTS", 2)
    data = pattern(2 * PART_BYTES + 12_345)

    await cloud.driver.write("object", stream(data), size=len(data))

    assert parts_of(cloud, "object") == 2
    assert await fetch(cloud.driver, "object") == data


async def test_upload_of_more_than_the_parts_hold_is_refused_and_leaves_nothing(
    cloud: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_artifacts.drivers.cloud.MAX_PARTS", 2)

    with pytest.raises(InvalidParameter, match="larger"):
        await cloud.driver.write("object", stream(bytes(2 * PART_BYTES + 1)))

    assert cloud.keys() == []


class Memory:
    """Room for so many bytes; remembers what was asked for."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[int] = []

    def hold(self, size: int) -> bool:
        self.asked.append(size)
        return size <= self.most


@pytest.mark.parametrize(("most", "at_once"), [(PART_BYTES, 1), (4 * PART_BYTES, 2)])
async def test_parts_under_way_are_as_many_as_there_is_room_for(
    make_store: Callable[[str], Store],
    google: GoogleStorage,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    at_once: int,
) -> None:
    store = make_store("gs")
    driver = open_driver(store.destination)
    data = pattern(6 * PART_BYTES + 5)
    room = Memory(most)

    with google.counting("partNumber") as counted:
        await driver.write("object", stream(data, PART_BYTES // 2), size=len(data), room=room)

    assert await fetch(driver, "object") == data
    await driver.close()
    assert room.asked
    assert 1 <= counted.most <= at_once


async def test_slow_download_takes_small_pieces_and_a_long_one_larger_ones(cloud: Store) -> None:
    data = pattern(20_000_000)
    await cloud.driver.write("object", stream(data))

    async with cloud.driver.read("object", room=Memory(0)) as reading:
        small = [len(piece) async for piece in reading.chunks]
    async with cloud.driver.read("object") as reading:
        large = [len(piece) async for piece in reading.chunks]

    assert sum(small) == sum(large) == len(data)
    assert max(small[:-1]) < 2**20 <= min(large[:-1])


async def test_two_deletions_of_one_directory_both_succeed(cloud: Store) -> None:
    await put_all(cloud.driver, [f"dir/object{number:03}" for number in range(300)])

    await asyncio.gather(*(cloud.driver.delete("dir") for _ in range(3)))

    assert cloud.keys() == []


async def test_name_with_a_control_character_is_told(cloud: Store) -> None:
    await cloud.driver.write("dir/object", stream(b"x"))
    put_by_hand(cloud, "dir/a%0Ab" if isinstance(cloud, Container) else "dir/a\nb", b"x")

    with pytest.raises(ApiError) as raised:
        await entries(cloud.driver, "dir")

    assert raised.value.status < 500
    assert "control character" in raised.value.message
    assert await fetch(cloud.driver, "dir/object") == b"x"
    if isinstance(cloud, Bucket):
        with closing(cloud.server.client()) as client:
            client.delete_object(Bucket=cloud.bucket, Key=f"{cloud.prefix}/dir/a\nb")


async def test_both_names_of_azure_are_of_the_same_blobs(
    make_store: Callable[[str], Store],
) -> None:
    blobs = make_store("azure")
    lake = open_driver(blobs.destination.replace("wasbs", "abfss").replace(".blob.", ".dfs."))
    blobs.driver = open_driver(blobs.destination)

    await blobs.driver.write("dir/object", stream(b"x"))

    assert await fetch(lake, "dir/object") == b"x"
    await lake.delete("dir")
    assert blobs.keys() == []
    await lake.close()
    await blobs.driver.close()


async def test_upload_of_azure_that_another_one_ends_is_told_so(
    make_store: Callable[[str], Store],
) -> None:
    store = make_store("azure")
    driver = open_driver(store.destination)
    begun, go_on = asyncio.Event(), asyncio.Event()
    others = pattern(PART_BYTES + 1)

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(2 * PART_BYTES)
        yield bytes(2 * PART_BYTES)
        begun.set()
        await go_on.wait()
        yield b"the end"

    upload_of_one = asyncio.create_task(driver.write("object", slow()))
    await begun.wait()
    await driver.write("object", stream(others))
    go_on.set()

    with pytest.raises(Unavailable, match="Another upload"):
        await upload_of_one
    assert await fetch(driver, "object") == others
    await driver.close()


async def test_directories_of_data_lake_are_directories_and_go_with_their_files(
    make_store: Callable[[str], Store], azure: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("abfss")
    with data_lake.serve(azure) as (endpoint, directories):
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
        driver = open_driver(store.destination)
        await put_all(driver, ["run/a", "run/deep/er/b", "run/deep/c", "run/other/d", "kept/e"])

        for path in ("run", "run/deep"):
            with pytest.raises(InvalidParameter, match="directory"):
                await driver.stat(path)
            with pytest.raises(InvalidParameter, match="directory"):
                await fetch(driver, path)
        await driver.delete("run/a")
        await driver.delete("run")

        assert store.keys() == ["kept/e"]
        assert [entry.path for entry in await entries(driver, "")] == ["kept"]
        assert not [each for each in directories if each.endswith(("run", "deep", "er", "other"))]
        await driver.close()


async def outcomes(driver: Driver) -> list[ApiError]:
    """What every operation answers with."""
    errors = []
    for operation in (
        driver.check(),
        driver.stat("object"),
        fetch(driver, "object"),
        driver.write("object", stream(b"x")),
        driver.write("object", stream(bytes(PART_BYTES + 1))),
        anext(aiter(driver.list(""))),
        driver.delete("object"),
    ):
        with pytest.raises(ApiError) as raised:
            await operation
        errors.append(raised.value)
    return errors


WRONG_KEY = "d3Jvbmctc2VjcmV0"


async def test_wrong_key_is_told_without_naming_it(
    make_store: Callable[[str], Store],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make_store("azure")
    right = store.server.environ["AZURE_STORAGE_CONNECTION_STRING"]  # type: ignore[attr-defined]
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", right.replace(azurite.KEY, WRONG_KEY))
    driver = open_driver(store.destination)

    with caplog.at_level(logging.DEBUG):
        errors = await outcomes(driver)

    await driver.close()
    assert {type(error) for error in errors} == {PermissionDenied}
    told = caplog.text + "".join(error.message for error in errors)
    assert WRONG_KEY not in told
    assert azurite.ACCOUNT not in "".join(error.message for error in errors)


async def test_signature_is_enough_and_is_not_told(
    make_store: Callable[[str], Store],
    azure: Azurite,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = make_store("abfss")
    assert isinstance(store, Container)
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azure.endpoint)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "?" + azure.signature(store.container, "racwdl"))
    # An identity that is meant for something else, as of a database.
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_TENANT_ID", "t")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "/no/such/file")
    driver = open_driver(store.destination)
    await put_all(driver, ["dir/a", "dir/b"])
    assert [entry.path for entry in await entries(driver, "dir")] == ["a", "b"]
    await driver.delete("dir")
    assert store.keys() == []
    await driver.close()

    read_only = azure.signature(store.container, "r")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", read_only)
    driver = open_driver(store.destination)
    with caplog.at_level(logging.DEBUG), pytest.raises(PermissionDenied):
        await driver.write("object", stream(b"x"))
    await driver.close()
    assert "failed" in caplog.text
    assert "sig=" not in caplog.text
    assert read_only not in caplog.text


async def test_workload_identity_of_azure_is_asked_for_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_store: Callable[[str], Store]
) -> None:
    make_store("azure")
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("azure", HERE)
    entra = identities.Azure(tmp_path)
    flags = ("--cert", certificate, "--key", key, "--oauth", "basic")
    with (
        azurite.run(tmp_path, *flags, scheme="https") as server,
        identities.serve(entra, (certificate, key)),
    ):
        server.create_container("by-identity")
        for name, value in entra.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server.endpoint)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
        destination = "wasbs://by-identity@devstoreaccount1.blob.core.usgovcloudapi.net/p"
        driver = open_driver(destination)
        await driver.check()
        await driver.write("object", stream(b"content"))
        assert await fetch(driver, "object") == b"content"
        await driver.close()
        assert server.blobs("by-identity", "") == ["p/object"]
        assert entra.asked[0]["client_assertion"] == "a ServiceAccount's token"

        entra.denies = True
        driver = open_driver(destination)
        with pytest.raises(PermissionDenied, match="gets no token"):
            await driver.check()
        await driver.close()

        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        driver = open_driver(destination)
        with pytest.raises(Unavailable):
            await driver.check()
        await driver.close()


async def test_account_of_a_google_pod_is_asked_for_a_token(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_store: Callable[[str], Store],
    google: GoogleStorage,
) -> None:
    store = make_store("gs")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_BASE_URL", google.url)
    monkeypatch.setenv("HOME", str(tmp_path))
    account = identities.Google(scope="")
    with identities.serve(account):
        for name, value in account.environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(google, "takes", lambda token: token in account.tokens)
        driver = open_driver(store.destination)
        await driver.check()
        await driver.write("object", stream(b"content"))
        assert await fetch(driver, "object") == b"content"
        assert len(account.tokens) <= 2

        account.tokens.clear()
        errors = await outcomes(driver)
        await driver.close()
        assert {type(error) for error in errors} == {PermissionDenied}

        account.denies = True
        driver = open_driver(store.destination)
        with pytest.raises(PermissionDenied, match="gets no token"):
            await driver.check()
        await driver.close()
        monkeypatch.setattr(google, "takes", None)


async def test_identity_of_another_cloud_is_exchanged_for_a_token_of_google(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_store: Callable[[str], Store],
    google: GoogleStorage,
) -> None:
    store = make_store("gs")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_BASE_URL", google.url)
    account = identities.Google(scope="")
    with identities.serve(account):
        subject = tmp_path / "subject"
        subject.write_text("a token of the other cloud")
        file = tmp_path / "credentials.json"
        told = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/o",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{account.url}/v1/token",
            "credential_source": {"file": str(subject)},
        }
        file.write_text(json.dumps(told))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setattr(google, "takes", lambda token: token in account.tokens)
        driver = open_driver(store.destination)
        await driver.write("object", stream(b"content"))
        assert await fetch(driver, "object") == b"content"
        await driver.close()
        assert account.tokens

        account.denies = True
        driver = open_driver(store.destination)
        with pytest.raises(ApiError, match="gets no token"):
            await driver.check()
        await driver.close()
        monkeypatch.setattr(google, "takes", None)


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

        errors = await outcomes(driver)

        await driver.close()
    assert {type(error) for error in errors} == {Unavailable}
    assert all(nowhere not in error.message for error in errors)


async def test_part_that_takes_too_long_fails_the_upload(
    make_store: Callable[[str], Store], google: GoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("gs")
    at = urlsplit(google.url)
    gate = Gate(at.hostname or "", at.port or 0)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{gate.port}")
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
        gate.close()


async def test_failing_store_ends_the_upload_before_its_bytes_have_come(
    make_store: Callable[[str], Store], google: GoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("gs")
    at = urlsplit(google.url)
    gate = Gate(at.hostname or "", at.port or 0)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{gate.port}")
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
        gate.close()


async def test_upload_that_breaks_off_while_the_store_is_gone_fails_as_it_broke_off(
    make_store: Callable[[str], Store], google: GoogleStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store("gs")
    at = urlsplit(google.url)
    gate = Gate(at.hostname or "", at.port or 0)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{gate.port}")
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
        gate.close()
