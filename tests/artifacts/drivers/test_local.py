"""What only a disk has: directories, links, and files that are none."""

import errno
import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.entities import ViewType
from mlflow.store.tracking.file_store import FileStore

from tandem_artifacts.drivers.base import Entry
from tandem_artifacts.drivers.local import UPLOADS, Local
from tandem_shared.errors import (
    InvalidParameter,
    NotFound,
    NotSupported,
    PermissionDenied,
    Unavailable,
)
from tests.artifacts.drivers.conftest import Directory
from tests.artifacts.drivers.content import breaking, entries, fetch, names, pattern, stream

pytestmark = pytest.mark.anyio


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    return outside


@pytest.fixture
def in_root(local: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root is the working directory: the address of a socket must be short."""
    monkeypatch.chdir(local.root)


@pytest.fixture(params=["absolute", "relative", "by way of another link"])
def escape(request: pytest.FixtureRequest, local: Directory, outside: Path) -> str:
    """The name of a link in the root that leads to a directory outside."""
    link = local.root / "link"
    if request.param == "relative":
        link.symlink_to("../outside")
    elif request.param == "absolute":
        link.symlink_to(outside)
    else:
        (local.root / "dir").mkdir()
        (local.root / "dir/first").symlink_to(outside)
        link.symlink_to("dir/first")
    return "link"


async def test_link_out_of_the_root_is_refused_by_every_operation(
    local: Directory, outside: Path, escape: str
) -> None:
    for path in (escape, f"{escape}/secret.txt", f"{escape}/new", f"{escape}/none/new"):
        with pytest.raises(InvalidParameter, match="leads out"):
            await local.driver.stat(path)
        with pytest.raises(InvalidParameter, match="leads out"):
            await fetch(local.driver, path)
        with pytest.raises(InvalidParameter, match="leads out"):
            await local.driver.write(path, stream(b"overwritten"))
        with pytest.raises(InvalidParameter, match="leads out"):
            await local.driver.delete(path)
        with pytest.raises(InvalidParameter, match="leads out"):
            await entries(local.driver, path)
    assert names(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "secret"


async def test_link_to_a_file_outside_is_refused(local: Directory, outside: Path) -> None:
    (local.root / "file").symlink_to(outside / "secret.txt")

    with pytest.raises(InvalidParameter):
        await fetch(local.driver, "file")
    with pytest.raises(InvalidParameter):
        await local.driver.write("file", stream(b"overwritten"))
    assert (outside / "secret.txt").read_text() == "secret"


async def test_link_that_leads_out_is_not_listed(local: Directory, escape: str) -> None:
    await local.driver.write("file", stream(b"x"))

    assert escape not in [entry.path for entry in await entries(local.driver, "")]


async def test_delete_of_a_tree_does_not_follow_links(local: Directory, outside: Path) -> None:
    await local.driver.write("dir/file", stream(b"x"))
    (local.root / "dir/link").symlink_to(outside)

    await local.driver.delete("dir")

    assert local.keys() == []
    assert (outside / "secret.txt").exists()


async def test_link_that_stays_inside_is_followed(local: Directory) -> None:
    await local.driver.write("dir/file", stream(b"content"))
    (local.root / "link").symlink_to("dir")
    (local.root / "file").symlink_to("dir/file")

    assert await fetch(local.driver, "link/file") == b"content"
    assert await fetch(local.driver, "file") == b"content"
    assert await entries(local.driver, "") == [
        Entry("dir", True, None),
        Entry("file", False, 7),
        Entry("link", True, None),
    ]
    with pytest.raises(InvalidParameter, match="directory"):
        await local.driver.write("link", stream(b"x"))


async def test_delete_of_a_link_keeps_its_target(local: Directory) -> None:
    await local.driver.write("dir/file", stream(b"content"))
    (local.root / "link").symlink_to("dir")

    await local.driver.delete("link")

    assert await entries(local.driver, "") == [Entry("dir", True, None)]
    assert local.keys() == ["dir/file"]


async def test_root_that_is_a_link_itself_works(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    driver = Local(tmp_path / "root")

    await driver.write("dir/file", stream(b"content"))

    assert await fetch(driver, "dir/file") == b"content"
    await driver.close()


async def test_link_to_itself_is_refused(local: Directory) -> None:
    (local.root / "loop").symlink_to("loop")

    with pytest.raises((InvalidParameter, NotFound)):
        await fetch(local.driver, "loop")
    assert await entries(local.driver, "") == []


@pytest.mark.usefixtures("in_root")
async def test_pipes_and_sockets_are_no_artifacts(local: Directory) -> None:
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    for name in ("pipe", "socket"):
        with pytest.raises(NotFound):
            await local.driver.stat(name)
        with pytest.raises((NotFound, Unavailable)):
            await fetch(local.driver, name)
        with pytest.raises(InvalidParameter, match="regular"):
            await local.driver.write(name, stream(b"x"))
    assert await entries(local.driver, "") == []


async def test_file_name_that_is_no_text_is_not_listed(local: Directory) -> None:
    (local.root / os.fsdecode(b"latin-\xe9")).write_text("x")

    assert await entries(local.driver, "") == []


@pytest.mark.parametrize("path", ["dir", "dir/sub"])
async def test_file_cannot_take_the_place_of_a_directory(local: Directory, path: str) -> None:
    await local.driver.write("dir/sub/file", stream(b"x"))

    with pytest.raises(InvalidParameter, match="directory"):
        await local.driver.write(path, stream(b"x"))
    assert local.keys() == ["dir/sub/file"]


@pytest.mark.parametrize("path", ["file/below", "file/far/below"])
async def test_directory_cannot_take_the_place_of_a_file(local: Directory, path: str) -> None:
    await local.driver.write("file", stream(b"x"))

    with pytest.raises(InvalidParameter, match="below a file"):
        await local.driver.write(path, stream(b"x"))
    assert local.keys() == ["file"]


async def test_conflict_that_arises_during_the_upload_is_found(local: Directory) -> None:
    async def chunks():
        yield b"content"
        (local.root / "path").mkdir()

    with pytest.raises(InvalidParameter, match="directory"):
        await local.driver.write("path", chunks())
    assert local.keys() == []


async def test_directories_of_a_broken_upload_are_not_made(local: Directory) -> None:
    await local.driver.write("kept/file", stream(b"x"))

    for path in ("new/dir/file", "kept/new/file"):
        with pytest.raises(ConnectionResetError):
            await local.driver.write(path, breaking(b"content"))

    assert await entries(local.driver, "") == [Entry("kept", True, None)]
    assert await entries(local.driver, "kept") == [Entry("file", False, 1)]


async def test_overwrite_does_not_touch_a_file_that_is_being_read(local: Directory) -> None:
    old, new = pattern(5_000_000), b"new"
    await local.driver.write("object", stream(old))

    async with local.driver.read("object") as reading:
        got = await anext(reading.chunks)
        await local.driver.write("object", stream(new))
        assert await fetch(local.driver, "object") == new
        async for chunk in reading.chunks:
            got += chunk

    assert got == old


async def test_file_cut_short_while_it_is_read_is_an_error(local: Directory) -> None:
    await local.driver.write("object", stream(pattern(8_000_000)))

    async with local.driver.read("object") as reading:
        await anext(reading.chunks)
        os.truncate(local.root / "object", 100)
        with pytest.raises(Unavailable, match="early"):
            [chunk async for chunk in reading.chunks]


@pytest.mark.parametrize("path", [UPLOADS, f"{UPLOADS}/file"])
async def test_directory_of_temporary_files_is_out_of_reach(local: Directory, path: str) -> None:
    await local.driver.write("file", stream(b"x"))
    assert (local.root / UPLOADS).is_dir()

    with pytest.raises(InvalidParameter, match=UPLOADS):
        await fetch(local.driver, path)
    with pytest.raises(InvalidParameter, match=UPLOADS):
        await local.driver.write(path, stream(b"x"))
    with pytest.raises(InvalidParameter, match=UPLOADS):
        await local.driver.delete(path)
    with pytest.raises(InvalidParameter, match=UPLOADS):
        await entries(local.driver, path)
    assert await entries(local.driver, "") == [Entry("file", False, 1)]


async def test_temporary_files_of_a_crash_are_removed_at_a_start_a_day_later(
    tmp_path: Path,
) -> None:
    uploads = tmp_path / UPLOADS
    uploads.mkdir()
    for name, age in (("old", 25 * 3600), ("young", 3600)):
        (uploads / name).write_text("half an upload")
        os.utime(uploads / name, (time.time() - age,) * 2)

    await Local(tmp_path).close()

    assert names(uploads) == ["young"]


async def test_missing_directory_fails_the_check(local: Directory, tmp_path: Path) -> None:
    local.root.rename(tmp_path / "away")

    with pytest.raises(Unavailable, match="missing"):
        await local.driver.check()


async def test_directory_that_goes_is_no_empty_one_and_is_not_made_anew(
    local: Directory, tmp_path: Path
) -> None:
    """It may be a disk that was unmounted, and comes back."""
    await local.driver.write("object", stream(b"x"))
    local.root.rename(tmp_path / "away")

    for asked in (
        local.driver.stat("object"),
        fetch(local.driver, "object"),
        entries(local.driver, ""),
        local.driver.delete("object"),
        local.driver.write("short", stream(b"x")),
        local.driver.write("long", stream(b"x" * 3_000_000)),
    ):
        with pytest.raises(Unavailable, match="missing"):
            await asked
    assert not local.root.exists()

    (tmp_path / "away").rename(local.root)
    assert await fetch(local.driver, "object") == b"x"
    await local.driver.write("short", stream(b"y"))


async def test_file_that_may_not_be_read_is_refused(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await local.driver.write("object", stream(b"x"))

    def refuse(*args: object, **kwargs: object) -> int:
        raise PermissionError(13, "Permission denied", "/srv/of/the/server")

    monkeypatch.setattr("tandem_artifacts.drivers.local.os.open", refuse)
    with pytest.raises(PermissionDenied) as refused:
        await fetch(local.driver, "object")
    assert "/root" not in refused.value.message


async def test_disk_has_no_multipart_uploads_and_no_signed_urls(local: Directory) -> None:
    assert not local.driver.multipart
    assert not local.driver.presigned
    with pytest.raises(NotSupported):
        await local.driver.create_multipart("object", 2)
    with pytest.raises(NotSupported):
        await local.driver.presign_download("object")


async def test_tree_is_deleted_whole_although_a_file_of_it_is_deleted_meanwhile(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        await local.driver.write(f"dir/{name}", stream(b"x"))
    unlink, first = os.unlink, [True]

    def deleted_before(path: str, **options: int) -> None:
        if first:
            first.clear()
            unlink(path, **options)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", deleted_before)
    await local.driver.delete("dir")

    assert not first
    assert not (local.root / "dir").exists()


async def test_upload_survives_that_its_directory_is_deleted_meanwhile(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, first = os.mkdir, [True]

    def deleted_before(path: str, *mode: int) -> None:
        if first and path.endswith("inner"):
            first.clear()
            os.rmdir(os.path.dirname(path))
        mkdir(path, *mode)

    monkeypatch.setattr(os, "mkdir", deleted_before)
    await local.driver.write("dir/inner/object", stream(b"x"))

    assert not first
    assert local.keys() == ["dir/inner/object"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("size", [1, 3_000_000])
async def test_directory_that_must_not_be_written_to_refuses_uploads(
    local: Directory, monkeypatch: pytest.MonkeyPatch, number: int, size: int
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(PermissionDenied):
        await local.driver.write("object", stream(bytes(size)))


@pytest.mark.parametrize("full", [{"f_bavail": 3}, {"f_favail": 0}])
async def test_full_disk_fails_the_check(
    local: Directory, monkeypatch: pytest.MonkeyPatch, full: dict[str, int]
) -> None:
    await local.driver.check()
    found = os.statvfs(local.root)
    names = [name for name in dir(found) if name.startswith("f_")]
    fields = {name: getattr(found, name) for name in names} | {"f_files": 1000} | full
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**fields))
    with pytest.raises(Unavailable, match="full"):
        await local.driver.check()


async def test_file_that_takes_the_place_of_a_directory_meanwhile_is_a_conflict(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def replaced_before(path: str, *mode: int) -> None:
        if path.endswith("inner"):
            os.rmdir(os.path.dirname(path))
            (local.root / "dir").write_bytes(b"file")
        mkdir(path, *mode)

    monkeypatch.setattr(os, "mkdir", replaced_before)
    with pytest.raises(InvalidParameter, match="below a file"):
        await local.driver.write("dir/inner/object", stream(b"x"))
    assert local.keys() == ["dir"]


async def test_upload_outlasts_directories_that_come_and_go(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, left = os.mkdir, [True] * 20

    def deleted_before(path: str, *mode: int) -> None:
        if left and path.endswith("inner"):
            left.pop()
            os.rmdir(os.path.dirname(path))
        mkdir(path, *mode)

    monkeypatch.setattr(os, "mkdir", deleted_before)
    await local.driver.write("dir/inner/object", stream(b"x"))
    assert not left
    assert local.keys() == ["dir/inner/object"]


async def test_mlflow_goes_on_logging_to_a_folder_of_runs_that_takes_uploads(
    local: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    await local.driver.write("0/run/artifacts/file", stream(b"x"))
    assert (local.root / UPLOADS).is_dir()

    folder_of_runs = FileStore(str(local.root))

    experiment_id = folder_of_runs.create_experiment("later")
    (found,) = folder_of_runs.search_experiments(ViewType.ALL)
    assert found.experiment_id == experiment_id
