"""Writing and reading objects: the promises that every driver keeps."""

import asyncio
import threading
import time

import anyio
import pytest

from tandem_artifacts.drivers.base import CHUNK_BYTES, Driver
from tandem_artifacts.drivers.upload import PART_BYTES
from tandem_shared.errors import InvalidParameter, NotFound, Unavailable
from tests.artifacts.drivers.conftest import Store
from tests.artifacts.drivers.content import (
    MEBIBYTE,
    breaking,
    entries,
    fetch,
    hanging,
    pattern,
    put_all,
    stream,
)

pytestmark = pytest.mark.anyio

NAMES = [
    "plain.txt",
    "with space.txt",
    "a+b.txt",
    "100%.txt",
    "per%20cent%7Efile",
    "ümläut/日本語/🚀.bin",
    "quo'te\"s & <tags>?.txt",
    "semi;colon=equals,comma:colon@at!.txt",
    "~tilde/(paren)/[bracket]/{brace}/*star|pipe^$.txt",
    ".hidden",
    "d" * 255,
    "/".join(["deep"] * 60),
]


async def test_store_that_works_passes_its_check(driver: Driver) -> None:
    await driver.check()


@pytest.mark.parametrize(
    "size",
    [0, 1, CHUNK_BYTES, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 30_000_001],
)
async def test_write_of_any_size_is_read_back(store: Store, size: int) -> None:
    data = pattern(size)

    await store.driver.write("dir/object.bin", stream(data))

    stat = await store.driver.stat("dir/object.bin")
    assert stat.size == size
    assert abs(stat.modified - time.time()) < 120
    assert await fetch(store.driver, "dir/object.bin") == data
    assert store.keys() == ["dir/object.bin"]


async def test_chunks_of_any_size_make_the_same_object(driver: Driver) -> None:
    data = pattern(3_000_000)

    async def uneven():
        yield b""
        yield data[:1]
        yield b""
        yield data[1:2_500_000]
        yield data[2_500_000:]

    await driver.write("object", uneven())

    assert await fetch(driver, "object") == data


async def test_one_chunk_may_hold_several_parts(driver: Driver) -> None:
    data = pattern(20 * MEBIBYTE + 3)

    await driver.write("object", stream(data, len(data)))

    assert await fetch(driver, "object") == data


@pytest.mark.parametrize("name", NAMES)
async def test_name_is_kept_as_it_is(store: Store, name: str) -> None:
    await store.driver.write(name, stream(b"content"))

    assert store.keys() == [name]
    assert (await store.driver.stat(name)).size == 7
    assert await fetch(store.driver, name) == b"content"
    await store.driver.delete(name)
    assert store.keys() == []


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, None, slice(0, None)),
        (0, 1, slice(0, 1)),
        (0, 0, slice(0, 0)),
        (7, 11, slice(7, 18)),
        (CHUNK_BYTES, CHUNK_BYTES + 1, slice(CHUNK_BYTES, 2 * CHUNK_BYTES + 1)),
        (2_999_999, None, slice(2_999_999, None)),
        (2_999_990, 1_000, slice(2_999_990, None)),
        (3_000_000, None, slice(0, 0)),
        (9_000_000, 5, slice(0, 0)),
    ],
)
async def test_range_is_read(
    driver: Driver, start: int, length: int | None, expected: slice
) -> None:
    data = pattern(3_000_000)
    await driver.write("object", stream(data))

    async with driver.read("object", start, length) as reading:
        got = b"".join([chunk async for chunk in reading.chunks])

    assert got == data[expected]
    assert reading.stat == await driver.stat("object")


async def test_empty_object_has_an_empty_range(driver: Driver) -> None:
    await driver.write("object", stream(b""))

    assert await fetch(driver, "object", 0, 10) == b""


async def test_read_of_half_an_object_lets_the_next_reader_in(driver: Driver) -> None:
    data = pattern(5_000_000)
    await driver.write("object", stream(data))

    for _ in range(5):
        async with driver.read("object") as reading:
            assert await anext(reading.chunks)

    assert await fetch(driver, "object") == data


async def test_reader_that_is_cancelled_lets_go(driver: Driver) -> None:
    data = pattern(5_000_000)
    await driver.write("object", stream(data))

    with anyio.move_on_after(0.05) as scope:
        async with driver.read("object") as reading:
            await anext(reading.chunks)
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert await fetch(driver, "object") == data


async def test_missing_object_is_not_found(driver: Driver) -> None:
    with pytest.raises(NotFound):
        await driver.stat("no/such")
    with pytest.raises(NotFound):
        await fetch(driver, "no/such")
    with pytest.raises(NotFound):
        await fetch(driver, "no/such", 0, 0)


async def test_path_below_a_file_is_not_found(driver: Driver) -> None:
    await driver.write("file", stream(b"x"))

    with pytest.raises(NotFound):
        await driver.stat("file/below")
    with pytest.raises(NotFound):
        await fetch(driver, "file/below")


async def test_directory_is_not_a_file(driver: Driver) -> None:
    await driver.write("dir/sub/file", stream(b"x"))

    for path in ("dir", "dir/sub"):
        with pytest.raises(InvalidParameter, match="directory"):
            await driver.stat(path)
        with pytest.raises(InvalidParameter, match="directory"):
            await fetch(driver, path)


async def test_etag_changes_with_the_content_and_only_then(driver: Driver) -> None:
    await driver.write("object", stream(b"one"))
    first = await driver.stat("object")
    assert await driver.stat("object") == first

    seen = {first.etag}
    for content in (b"two", b"six", b"ten"):
        await driver.write("object", stream(content))
        seen.add((await driver.stat("object")).etag)

    assert len(seen) == 4
    assert not any('"' in etag for etag in seen)


async def test_read_by_etag_gets_that_very_object_or_nothing(driver: Driver) -> None:
    await driver.write("object", stream(b"old content"))
    old = await driver.stat("object")
    assert await fetch(driver, "object", 4, 3, old.etag) == b"con"

    await driver.write("object", stream(b"new content"))

    for length in (None, 3, 0):
        with pytest.raises(NotFound):
            await fetch(driver, "object", 4, length, old.etag)
    with pytest.raises(NotFound):
        await fetch(driver, "object", 500, None, old.etag)


async def test_overwrite_replaces_shorter_and_longer_objects(store: Store) -> None:
    for size in (100, 20_000_000, 5, 0, 9_000_000):
        data = pattern(size)
        await store.driver.write("object", stream(data))
        assert await fetch(store.driver, "object") == data
    assert store.keys() == ["object"]


async def test_reader_never_sees_a_mixture(driver: Driver) -> None:
    size = 10 * MEBIBYTE
    old, new = b"o" * size, b"n" * size
    await driver.write("object", stream(old))

    async def read_over_and_over() -> set[bytes]:
        seen: set[bytes] = set()
        while b"n" not in seen:
            async with driver.read("object") as reading:
                seen.add(bytes(set(b"".join([chunk async for chunk in reading.chunks]))))
        return seen

    readers = [asyncio.create_task(read_over_and_over()) for _ in range(2)]
    await driver.write("object", stream(new))

    for seen in await asyncio.gather(*readers):
        assert seen <= {b"o", b"n"}


@pytest.mark.parametrize("size", [0, 100, PART_BYTES + 1, 3 * PART_BYTES + 1])
async def test_upload_that_breaks_off_leaves_nothing(store: Store, size: int) -> None:
    with pytest.raises(ConnectionResetError):
        await store.driver.write("new/dir/object", breaking(pattern(size)))

    assert store.keys() == []
    assert store.leftovers() == []
    assert await entries(store.driver, "") == []


@pytest.mark.parametrize("size", [100, 3 * PART_BYTES + 1])
async def test_overwrite_that_breaks_off_keeps_the_old_object(store: Store, size: int) -> None:
    await store.driver.write("dir/object", stream(b"old"))
    before = await store.driver.stat("dir/object")

    with pytest.raises(ConnectionResetError):
        await store.driver.write("dir/object", breaking(pattern(size)))

    assert await store.driver.stat("dir/object") == before
    assert await fetch(store.driver, "dir/object") == b"old"
    assert store.leftovers() == []


@pytest.mark.parametrize("size", [0, 100, PART_BYTES + 1, 3 * PART_BYTES + 1])
async def test_cancelled_upload_leaves_nothing(store: Store, size: int) -> None:
    reached = asyncio.Event()
    task = asyncio.create_task(store.driver.write("object", hanging(pattern(size), reached)))
    await reached.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.keys() == []
    assert store.leftovers() == []


async def test_upload_cancelled_again_and_again_cleans_up_all_the_same(store: Store) -> None:
    await store.driver.write("object", stream(b"old"))
    reached = asyncio.Event()
    upload = store.driver.write("object", hanging(pattern(3 * PART_BYTES + 1), reached))
    task = asyncio.create_task(upload)
    await reached.wait()

    while not task.done():
        task.cancel()
        await asyncio.sleep(0.001)

    assert task.cancelled()
    assert await fetch(store.driver, "object") == b"old"
    assert store.leftovers() == []


@pytest.mark.parametrize("size", [100, 3 * PART_BYTES + 1])
async def test_upload_in_a_cancelled_scope_leaves_nothing(store: Store, size: int) -> None:
    reached = asyncio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(store.driver.write, "object", hanging(pattern(size), reached))
        await reached.wait()
        group.cancel_scope.cancel()

    assert store.keys() == []
    assert store.leftovers() == []


async def test_cancel_at_any_moment_leaves_all_or_nothing(store: Store) -> None:
    data = pattern(2 * PART_BYTES + 1)
    for delay in (0, 0.005, 0.02, 0.05, 0.1, 0.2):
        task = asyncio.create_task(store.driver.write("object", stream(data)))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        assert store.leftovers() == []
        if store.keys():
            assert await fetch(store.driver, "object") == data
            await store.driver.delete("object")


async def test_many_objects_are_written_at_once(store: Store) -> None:
    paths = [f"dir{number % 7}/object{number:03}" for number in range(120)]

    await put_all(store.driver, paths)

    assert store.keys() == sorted(paths)


async def test_writers_of_one_object_leave_the_object_of_one_of_them(
    store: Store, kind: str
) -> None:
    contents = [bytes([number]) * (PART_BYTES + 1000 + number) for number in range(4)]
    contents += [bytes([number]) * (1000 + number) for number in range(4, 8)]

    writing = (store.driver.write("dir/object", stream(each)) for each in contents)
    outcomes = await asyncio.gather(*writing, return_exceptions=True)

    # Azure drops the blocks of the others when one upload of a blob ends.
    failed = [each for each in outcomes if each is not None]
    assert all(isinstance(each, Unavailable) and kind == "azure" for each in failed)
    written = [data for data, each in zip(contents, outcomes, strict=True) if each is None]
    assert await fetch(store.driver, "dir/object") in written
    assert store.keys() == ["dir/object"]


@pytest.mark.parametrize("kind", ["local", "s3", "minio"])
async def test_check_does_not_wait_for_transfers(store: Store) -> None:
    threads = store.driver.inner._threads  # type: ignore[attr-defined]
    done = threading.Event()
    busy = [asyncio.create_task(threads.run(done.wait)) for _ in range(100)]
    await asyncio.sleep(0)  # They take every thread there is.
    try:
        async with asyncio.timeout(20):
            await store.driver.check()
    finally:
        done.set()
        await asyncio.wait(busy)
