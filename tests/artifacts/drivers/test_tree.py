"""Listing and deleting: the promises that every driver keeps."""

import pytest

from tandem_artifacts.drivers.base import Driver, Entry
from tandem_artifacts.drivers.objects import PAGE_ENTRIES
from tests.artifacts.drivers.conftest import Store
from tests.artifacts.drivers.content import entries, fetch, put_all, stream

pytestmark = pytest.mark.anyio


async def test_listing_is_one_level_deep_in_the_order_of_names(driver: Driver) -> None:
    await put_all(
        driver,
        [
            "top.txt",
            "dir/b.txt",
            "dir/a/deep/x",
            "dir/a.txt",
            "dir/a-b",
            "dir/Z",
            "dir/é",
            "dir2/x",
        ],
        b"12345",
    )

    assert await entries(driver, "") == [
        Entry("dir", True, None),
        Entry("dir2", True, None),
        Entry("top.txt", False, 5),
    ]
    assert await entries(driver, "dir") == [
        Entry("Z", False, 5),
        Entry("a", True, None),
        Entry("a-b", False, 5),
        Entry("a.txt", False, 5),
        Entry("b.txt", False, 5),
        Entry("é", False, 5),
    ]
    assert await entries(driver, "dir/a") == [Entry("deep", True, None)]


async def test_listing_tells_sizes(driver: Driver) -> None:
    for size in (0, 1, 9_000_000):
        await driver.write(f"object{size}", stream(bytes(size)))

    assert [entry.size for entry in await entries(driver, "")] == [0, 1, 9_000_000]


@pytest.mark.parametrize("path", ["none", "none/below", "file", "file/below"])
async def test_listing_of_a_file_or_a_missing_path_is_empty(driver: Driver, path: str) -> None:
    await driver.write("file", stream(b"x"))
    await driver.write("nonesuch", stream(b"x"))

    assert await entries(driver, path) == []


async def test_empty_store_has_an_empty_listing(driver: Driver) -> None:
    assert await entries(driver, "") == []


async def test_listing_keeps_names_as_they_are(driver: Driver, kind: str) -> None:
    names = [
        "a b",
        "a%20b",
        "a+b",
        "a&b<c>\"d'",
        "ünï",
        "🚀 go",
        "k%s%0%07b",
        "a\ufffd",
        "a?b;c",
        "c:",
    ]
    names += ["a\\b"] if kind == "local" else []  # SeaweedFS makes a slash of it
    await put_all(driver, [f"dir/{name}" for name in names])
    await put_all(driver, [f"dirs/{name}/x" for name in names])

    assert [entry.path for entry in await entries(driver, "dir")] == sorted(names)
    assert [entry.path for entry in await entries(driver, "dirs")] == sorted(names)
    for name in names:
        assert [entry.path for entry in await entries(driver, f"dirs/{name}")] == ["x"]


async def test_listing_goes_on_after_a_page_and_so_does_a_deletion(store: Store) -> None:
    names = [f"object{number:05}" for number in range(PAGE_ENTRIES + 25)]
    await put_all(store.driver, [f"dir/{name}" for name in names])
    await put_all(store.driver, ["dir2/kept"])

    assert [entry.path for entry in await entries(store.driver, "dir")] == names
    await store.driver.delete("dir")
    assert store.keys() == ["dir2/kept"]


async def test_listing_may_be_left_half_way(driver: Driver) -> None:
    await put_all(driver, ["a", "b", "c"])

    async for entry in driver.list(""):
        assert entry.path == "a"
        break

    assert len(await entries(driver, "")) == 3


async def test_delete_of_a_file_keeps_its_siblings(store: Store) -> None:
    await put_all(store.driver, ["dir/a", "dir/ab", "dir/b", "dir/a.d/x", "a"])

    await store.driver.delete("dir/a")

    assert store.keys() == ["a", "dir/a.d/x", "dir/ab", "dir/b"]


async def test_delete_of_a_directory_takes_its_tree_and_keeps_its_siblings(store: Store) -> None:
    await put_all(store.driver, ["dir/sub/x", "dir/sub/deep/y", "dir/subs/z", "dir/sub.txt"])

    await store.driver.delete("dir/sub")

    assert store.keys() == ["dir/sub.txt", "dir/subs/z"]
    # SeaweedFS, which has directories, goes on listing empty ones for a few seconds.
    left = {entry.path for entry in await entries(store.driver, "dir")}
    assert left - {"sub"} == {"sub.txt", "subs"}


@pytest.mark.parametrize("path", ["none", "none/below", "file/below"])
async def test_delete_of_a_missing_path_is_no_error(store: Store, path: str) -> None:
    await put_all(store.driver, ["file"])

    await store.driver.delete(path)

    assert store.keys() == ["file"]


async def test_delete_lets_the_path_be_written_again(driver: Driver) -> None:
    await driver.write("dir/object", stream(b"first"))
    await driver.delete("dir")
    await driver.write("dir/object", stream(b"second"))

    assert await fetch(driver, "dir/object") == b"second"
