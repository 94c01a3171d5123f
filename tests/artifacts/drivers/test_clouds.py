"""What the drivers of Azure and Google promise besides: types, parts, directories."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import closing

import pytest

from tandem_artifacts.drivers import upload
from tandem_artifacts.drivers.base import Entry
from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.drivers.upload import PART_BYTES
from tandem_shared.errors import ApiError, InvalidParameter, NotSupported, Unavailable
from tests import data_lake
from tests.artifacts.drivers.conftest import Bucket, Container, Store
from tests.artifacts.drivers.content import entries, fetch, pattern, put_all, stream
from tests.azurite import Azurite
from tests.google_storage import GoogleStorage

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
