"""Files at the destination by the service's own rights: stored, read, listed, signed, deleted."""

import asyncio
import contextlib
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import urlsplit

import certifi

from tandem_artifacts.drivers.base import Driver, MultipartUpload, Part
from tandem_artifacts.drivers.open import open_driver
from tandem_artifacts.settings import Settings
from tandem_shared.doctor import own, peers, transfers
from tandem_shared.doctor.findings import Failed, Finding, failure, ok, skipped
from tandem_shared.doctor.web import Answer, Site
from tandem_shared.errors import ApiError, PermissionDenied
from tandem_shared.settings import without_credentials
from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile

LARGE_BYTES: Final = 18 * 1024 * 1024
"""More than two parts of the service's own uploads."""

_CHUNK: Final = 1024 * 1024
_SKEWED: Final = "RequestTimeTooSkewed"
"""S3's code for a request whose clock is off by a quarter of an hour."""
_RIGHTS: Final = (
    "Grant the service's credentials the right to list the destination, and to read, store and "
    "delete below it: on S3 s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject and "
    "s3:AbortMultipartUpload. See that they are those of this store."
)


def trust() -> ssl.SSLContext:
    """Whom connections to the object store trust: as its library does, by the same variables."""
    if os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1"):
        return own.blind_context()
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := os.environ.get(name):
            return contexts.of_client(
                Files(authorities=PemFile(name, path)), certifi.where()
            ).context
    return own.client_context()


def look(settings: Settings, seconds: float) -> Iterator[Finding]:
    """A small and a large file to the destination and back, and what clients are given to sign.

    All of it is below one temporary folder, which is deleted.
    """
    yield from asyncio.run(_look(settings, seconds))


async def _look(settings: Settings, seconds: float) -> list[Finding]:
    driver = open_driver(
        settings.artifacts_destination, download_url_seconds=settings.presigned_ttl
    )
    found: list[Finding] = []
    folder = transfers.folder()
    try:
        try:
            await driver.check()
        except ApiError as error:
            return [_refused("list the destination", error)]
        stored = False
        try:
            stored = await _kept(driver, f"{folder}/small.bin", os.urandom(2048), found)
            if stored:
                await _kept(driver, f"{folder}/large.bin", os.urandom(LARGE_BYTES), found)
                await _offered(settings, driver, folder, seconds, found)
        finally:
            await _clean(driver, folder, found, stored=stored)
    finally:
        await driver.close()
    return found


async def _kept(driver: Driver, path: str, content: bytes, found: list[Finding]) -> bool:
    """Whether a file could be stored; adds what is found."""
    size = f"{len(content):,} bytes"
    try:
        await driver.write(path, _pieces(content), size=len(content))
    except ApiError as error:
        found.append(_refused(f"store a file of {size}", error))
        return False
    try:
        digest = hashlib.sha256()
        async with driver.read(path) as reading:
            async for chunk in reading.chunks:
                digest.update(chunk)
        name = path.rpartition("/")[2]
        names = [entry.path async for entry in driver.list(path.rpartition("/")[0])]
    except ApiError as error:
        found.append(_refused(f"read a file of {size} back", error))
        return True
    if digest.digest() != hashlib.sha256(content).digest():
        said = f"A file of {size} came back with other bytes."
        found.append(failure(said, "See what is between the service and its store."))
    elif name not in names:
        said = f"A file of {size} is not in the listing of its folder."
        found.append(failure(said, "See whether the store lists what it has just stored."))
    else:
        found.append(ok(f"a file of {size} was stored, listed and read back."))
    return True


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _CHUNK):
        yield content[start : start + _CHUNK]


async def _offered(
    settings: Settings, driver: Driver, folder: str, seconds: float, found: list[Finding]
) -> None:
    """What clients do directly with the store, if the settings let them."""
    uploads = (
        driver.multipart
        and settings.enable_proxy_multipart_upload
        and settings.max_artifact_bytes is None
    )
    downloads = driver.presigned and (
        settings.enable_proxy_multipart_download or settings.redirect_downloads
    )
    if not (uploads or downloads):
        found.append(skipped("clients are not sent to a store: all goes through the service."))
        return
    try:
        if uploads:
            found.append(await _by_parts(driver, f"{folder}/parts.bin", seconds))
        if downloads:
            found += await _signed(driver, f"{folder}/small.bin", seconds)
    except Failed as failed:
        found.append(failed.finding)
    except ApiError as error:
        found.append(_refused("sign for clients", error))


async def _by_parts(driver: Driver, path: str, seconds: float) -> Finding:
    contents = [os.urandom(transfers.PART_BYTES), os.urandom(1)]
    upload = await driver.create_multipart(path, len(contents))
    try:
        parts = await asyncio.to_thread(_send_parts, upload, contents, seconds)
        await driver.complete_multipart(path, upload.upload_id, parts)
    except BaseException:
        with contextlib.suppress(ApiError):
            await driver.abort_multipart(path, upload.upload_id)
        raise
    size = (await driver.stat(path)).size
    if size != sum(map(len, contents)):
        return failure(
            f"A file uploaded by parts has {size:,} bytes instead of {sum(map(len, contents)):,}.",
            "See what is before the object store.",
        )
    return ok(f"a file of {size:,} bytes was stored by presigned parts, as clients do.")


def _send_parts(upload: MultipartUpload, contents: list[bytes], seconds: float) -> list[Part]:
    parts = []
    for number, (url, content) in enumerate(zip(upload.urls, contents, strict=True), 1):
        answer = _ask(url, "PUT", seconds, body=content, headers=dict(upload.headers))
        if answer.status != 200 or "etag" not in answer.headers:
            raise Failed(
                f"{urlsplit(url).netloc} answers {answer.status} to a presigned part: "
                f"{answer.message}",
                "See that the credentials may store, and that no proxy changes the Host header; or "
                "give --disable-proxy-multipart-upload.",
            )
        parts.append(Part(number, answer.headers["etag"].strip('"')))
    return parts


async def _signed(driver: Driver, path: str, seconds: float) -> list[Finding]:
    url = (await driver.presign_download(path)).url
    answer = await asyncio.to_thread(
        _ask, url, "GET", seconds, body=None, headers={"Range": "bytes=0-9"}
    )
    where = urlsplit(url).netloc
    if answer.status != 206 or len(answer.body) != 10:
        said = f"{where} answers {answer.status} to a presigned URL and a range: {answer.message}"
        cure = (
            "See that the credentials may read, and that no proxy changes the Host header; or give "
            "--disable-proxy-multipart-download, without --redirect-downloads."
        )
        return [failure(said, cure)]
    return [ok(f"a range came by a presigned URL from {where}."), *peers.clock(answer, where)]


def _ask(
    url: str, method: str, seconds: float, *, body: bytes | None, headers: dict[str, str]
) -> Answer:
    parts = urlsplit(url)
    at = f"{parts.scheme}://{parts.netloc}"
    site = Site(at, "the object store, as clients call it", seconds=seconds, context=trust())
    return site.ask(method, f"{parts.path}?{parts.query}", body=body, headers=headers)


async def _clean(driver: Driver, folder: str, found: list[Finding], *, stored: bool) -> None:
    try:
        await driver.delete(folder)
    except ApiError as error:
        if stored:
            cure = f"Delete the folder {folder} of the destination by hand. {_RIGHTS}"
            refused = _refused("delete the temporary folder", error)
            found.append(failure(refused.said, cure))


def _refused(what: str, error: ApiError) -> Finding:
    cause = error.__cause__
    why = f" ({' '.join(str(cause).split())})" if cause and str(cause) else ""
    said = f"To {what} failed: {error.message}{without_credentials(why)}"
    if _SKEWED in why:
        return failure(said, "Let this machine and the store follow a time server (NTP).")
    if isinstance(error, PermissionDenied):
        return failure(said, _RIGHTS)
    if "bucket" in error.message:
        return failure(said, "Create the bucket, or correct --artifacts-destination.")
    if error.status == 507:
        return failure(said, "Make room at the destination, or raise the user's quota.")
    return failure(
        said, "See that the store runs, and that its address and the network between are right."
    )
