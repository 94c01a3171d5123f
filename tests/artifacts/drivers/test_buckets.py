"""What only object stores have: multipart uploads by clients, signed URLs, servers that fail."""

import asyncio
import gzip
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import PurePath
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tandem_artifacts.drivers.base import MultipartUpload, Part
from tandem_artifacts.drivers.objects import content_type
from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.drivers.upload import PART_BYTES
from tandem_shared.errors import InvalidParameter, NotFound, PermissionDenied, Unavailable
from tests import seaweedfs
from tests.artifacts.drivers.conftest import Bucket, Store
from tests.artifacts.drivers.content import breaking, fetch, pattern, stream
from tests.artifacts.drivers.refusals import refusals

pytestmark = pytest.mark.anyio


async def put_parts(upload: MultipartUpload, parts: list[bytes]) -> list[Part]:
    stored = []
    async with httpx.AsyncClient() as client:
        for number, (url, data) in enumerate(zip(upload.urls, parts, strict=True), 1):
            answer = await client.put(url, content=data, headers=dict(upload.headers))
            answer.raise_for_status()
            stored.append(Part(number, answer.headers["etag"]))
    return stored


async def test_client_uploads_the_parts_itself(bucket: Bucket) -> None:
    parts = [pattern(PART_BYTES), pattern(PART_BYTES + 7)[::-1], b"end"]

    upload = await bucket.driver.create_multipart("dir/ü b+c%20.bin", len(parts))
    stored = await put_parts(upload, parts)
    assert bucket.keys() == []
    await bucket.driver.complete_multipart("dir/ü b+c%20.bin", upload.upload_id, stored[::-1])

    assert await fetch(bucket.driver, "dir/ü b+c%20.bin") == b"".join(parts)
    assert bucket.keys() == ["dir/ü b+c%20.bin"]


async def test_aborted_upload_is_gone(bucket: Bucket) -> None:
    upload = await bucket.driver.create_multipart("object", 1)
    stored = await put_parts(upload, [b"content"])

    await bucket.driver.abort_multipart("object", upload.upload_id)

    assert bucket.keys() == []
    assert bucket.leftovers() == []
    with pytest.raises(NotFound):
        await bucket.driver.complete_multipart("object", upload.upload_id, stored)


async def test_unknown_upload_is_not_found(bucket: Bucket) -> None:
    with pytest.raises(NotFound):
        await bucket.driver.complete_multipart("object", "unknown", [Part(1, "0" * 32)])
    with pytest.raises(NotFound):
        await bucket.driver.abort_multipart("object", "unknown")


async def test_upload_completed_with_wrong_parts_is_refused(bucket: Bucket) -> None:
    upload = await bucket.driver.create_multipart("object", 1)
    await put_parts(upload, [b"content"])

    with pytest.raises(InvalidParameter):
        await bucket.driver.complete_multipart("object", upload.upload_id, [Part(1, "0" * 32)])
    with pytest.raises(InvalidParameter):
        await bucket.driver.complete_multipart("object", upload.upload_id, [])

    assert bucket.keys() == []
    await bucket.driver.abort_multipart("object", upload.upload_id)


@pytest.mark.parametrize("parts", [-1, 0, 10_001])
async def test_upload_of_an_impossible_number_of_parts_is_refused(
    bucket: Bucket, parts: int
) -> None:
    with pytest.raises(InvalidParameter, match="10000"):
        await bucket.driver.create_multipart("object", parts)


async def test_signed_url_downloads_the_object(bucket: Bucket) -> None:
    name = "dir/ü b+c%20.txt"
    await bucket.driver.write(name, stream(b"content"))

    url = (await bucket.driver.presign_download(name)).url

    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
        part = await client.get(url, headers={"Range": "bytes=1-3"})
    assert (answer.status_code, answer.content) == (200, b"content")
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert answer.headers["content-type"].startswith("text/plain")
    assert (part.status_code, part.content) == (206, b"ont")


async def test_signed_url_is_made_only_for_an_object(bucket: Bucket) -> None:
    await bucket.driver.write("dir/object", stream(b"x"))

    with pytest.raises(NotFound):
        await bucket.driver.presign_download("none")
    with pytest.raises(InvalidParameter, match="directory"):
        await bucket.driver.presign_download("dir")


async def test_signed_urls_live_as_long_as_said(bucket: Bucket) -> None:
    driver = open_driver(bucket.destination, download_url_seconds=11, part_url_seconds=22)
    await driver.write("object", stream(b"x"))

    url = (await driver.presign_download("object")).url
    upload = await driver.create_multipart("object", 1)
    await driver.abort_multipart("object", upload.upload_id)
    await driver.close()

    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["11"]
    assert parse_qs(urlsplit(upload.urls[0]).query)["X-Amz-Expires"] == ["22"]


async def test_object_and_objects_below_it_live_side_by_side(bucket: Bucket) -> None:
    await bucket.driver.write("a", stream(b"one"))
    await bucket.driver.write("a/b", stream(b"two"))

    assert await fetch(bucket.driver, "a") == b"one"
    assert await fetch(bucket.driver, "a/b") == b"two"
    await bucket.driver.delete("a")
    assert bucket.keys() == []


async def test_marker_of_an_empty_directory_is_no_artifact(bucket: Bucket) -> None:
    bucket.server.client().put_object(Bucket=bucket.bucket, Key=f"{bucket.prefix}/dir/", Body=b"")
    await bucket.driver.write("dir/object", stream(b"x"))

    assert [entry.path async for entry in bucket.driver.list("dir")] == ["object"]
    assert [entry.path async for entry in bucket.driver.list("")] == ["dir"]


async def test_small_object_is_one_request_and_a_large_one_is_parts(bucket: Bucket) -> None:
    await bucket.driver.write("small", stream(bytes(PART_BYTES)))
    await bucket.driver.write("large", stream(bytes(2 * PART_BYTES + 1)))

    assert "-" not in (await bucket.driver.stat("small")).etag
    assert (await bucket.driver.stat("large")).etag.endswith("-3")


async def test_object_with_a_content_encoding_is_read_as_it_is_stored(bucket: Bucket) -> None:
    packed = gzip.compress(pattern(3_000_000))
    bucket.server.client().put_object(
        Bucket=bucket.bucket,
        Key=f"{bucket.prefix}/data.csv.gz",
        Body=packed,
        ContentEncoding="gzip",
    )

    assert await fetch(bucket.driver, "data.csv.gz") == packed
    assert await fetch(bucket.driver, "data.csv.gz", 5, 100) == packed[5:105]


async def test_upload_arguments_go_with_small_and_large_objects(
    make_store: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = make_store("s3")
    assert isinstance(bucket, Bucket)
    monkeypatch.setenv("MLFLOW_S3_UPLOAD_EXTRA_ARGS", '{"Metadata": {"team": "blue"}}')
    driver = open_driver(bucket.destination)
    await driver.write("small", stream(b"x"))
    await driver.write("large", stream(bytes(PART_BYTES + 1)))
    await driver.close()

    with closing(bucket.server.client()) as client:
        for name in ("small", "large"):
            found = client.head_object(Bucket=bucket.bucket, Key=f"{bucket.prefix}/{name}")
            assert found["Metadata"] == {"team": "blue"}


async def test_wrong_credentials_are_told_without_naming_them(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    driver = open_driver(bucket.destination)

    errors = await refusals(driver)

    await driver.close()
    assert {type(error) for error in errors} == {PermissionDenied}
    assert all("secret" not in error.message.lower() for error in errors)
    assert all(seaweedfs.ACCESS_KEY not in error.message for error in errors)


async def test_missing_bucket_fails_the_check(bucket: Bucket) -> None:
    driver = open_driver(bucket.destination.replace(bucket.bucket, "no-such-bucket"))

    with pytest.raises(Unavailable, match="bucket"):
        await driver.check()
    await driver.close()


async def test_server_that_does_not_answer_is_unavailable(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://{nowhere}")
        monkeypatch.setattr("tandem_artifacts.drivers.objects.ATTEMPTS", 1)
        host = bucket.server.endpoint.removeprefix("http://")
        driver = open_driver(bucket.destination.replace(host, nowhere))

        errors = await refusals(driver)

        await driver.close()
    assert {type(error) for error in errors} == {Unavailable}
    assert all(nowhere not in error.message for error in errors)


async def test_failed_abort_does_not_hide_why_the_upload_failed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inner = bucket.driver.inner.bucket  # type: ignore[attr-defined]
    abort = inner.abort
    given: list[tuple[str, str]] = []

    def fail(key: str, upload_id: str) -> None:
        given.append((key, upload_id))
        raise Unavailable("The artifact store does not answer; try again.")

    monkeypatch.setattr(inner, "abort", fail)
    with pytest.raises(ConnectionResetError):
        await bucket.driver.write("object", breaking(bytes(PART_BYTES + 1)))
    assert "could not be aborted" in caplog.text

    (upload,) = given
    assert PurePath(upload[0]).name == "object"
    abort(*upload)


async def test_abort_that_fails_is_tried_again(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_artifacts.drivers.upload._ABORT_AGAIN_SECONDS", (0.01,) * 5)
    inner = bucket.driver.inner.bucket  # type: ignore[attr-defined]
    abort, failures, done = inner.abort, [True] * 3, asyncio.Event()

    def fail_first(key: str, upload_id: str) -> None:
        if failures:
            failures.pop()
            raise Unavailable("The artifact store does not answer; try again.")
        abort(key, upload_id)
        loop.call_soon_threadsafe(done.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(inner, "abort", fail_first)
    with pytest.raises(ConnectionResetError):
        await bucket.driver.write("object", breaking(bytes(PART_BYTES + 1)))
    async with asyncio.timeout(20):
        await done.wait()
    assert bucket.leftovers() == []


@pytest.mark.parametrize("upload_id", ["a\nb", "../x", "a b", "ü", "x" * 5000, "bogus"])
async def test_upload_id_of_nobody_is_not_found_and_harms_nothing(
    bucket: Bucket, upload_id: str
) -> None:
    await bucket.driver.write("object", stream(b"x"))
    with pytest.raises(NotFound):
        await bucket.driver.complete_multipart("object", upload_id, [Part(1, "x")])
    with pytest.raises(NotFound):
        await bucket.driver.abort_multipart("object", upload_id)
    assert bucket.keys() == ["object"]


async def test_check_needs_no_rights_above_the_prefix(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = bucket.driver.inner.bucket  # type: ignore[attr-defined]
    page = inner.page
    listed: list[str] = []

    def record(prefix: str, *rest: object) -> object:
        listed.append(prefix)
        return page(prefix, *rest)

    monkeypatch.setattr(inner, "page", record)
    await bucket.driver.check()

    assert listed == [f"{bucket.prefix}/"]


@pytest.mark.parametrize("key", ["data:text/html,x", "data:é/ü,x"])
def test_key_does_not_say_a_type_of_its_own(key: str) -> None:
    assert content_type(key) == "application/octet-stream"
