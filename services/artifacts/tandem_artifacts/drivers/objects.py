"""The driver that S3 and MinIO share, over the blocking calls of a bucket."""

import mimetypes
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from tandem_artifacts.drivers.base import (
    UNBOUNDED,
    Driver,
    Entry,
    MultipartUpload,
    Part,
    Reading,
    Room,
    SignedDownload,
    Stat,
    refers_to_directory,
)
from tandem_artifacts.drivers.reading import OpenObject, open_reading
from tandem_artifacts.drivers.upload import MAX_PARTS, PART_BYTES, Aborts, PartStore, upload
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import (
    ApiError,
    InvalidParameter,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from tandem_shared.http.artifact_headers import disposition

CONCURRENCY = 64
"""Requests to the store that a driver makes at a time."""

CONNECTIONS = CONCURRENCY + 32
"""Connections kept open; a download holds one between its reads."""

CONNECT_SECONDS = 5
READ_SECONDS = 60
"""How long a store may stay silent before a request counts as failed."""

ATTEMPTS = 3
"""Sends of one request in all, while the store fails or does not answer."""

PAGE_ENTRIES = 1000
"""S3's limit, for a page of a listing and for one deletion of many objects."""

_IDENTITY: Final = "identity"
"""HTTP's word for no encoding. Stores refuse an empty one; clients decode nothing for this."""

_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchUpload", "NotFound", "404"})
_REFUSED: Final = frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "403",
    }
)
_BAD_REQUEST: Final = frozenset({400, 405, 411, 414, 422})
_UPLOAD_ID: Final = re.compile(r"[!-~]{1,4096}")
_BAD_PARTS: Final = frozenset(
    {"EntityTooSmall", "InvalidPart", "InvalidPartOrder", "InvalidArgument", "MalformedXML"}
)


class Refused(Unavailable):
    """The store calls the request bad, by a code that stands for no other error here."""


class BeyondEnd(Exception):
    """A range that begins at or after the end of the object."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A key of a listing, or with `size` None a prefix that ends in `/`."""

    key: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing."""

    entries: Sequence[Listed]
    next: str | None
    """The token of the next page; None at the end."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Headers that a store is asked to answer with."""

    disposition: str
    encoding: str | None


class Bucket(PartStore):
    """The blocking calls of a bucket, which threads make; failures are `tandem_shared.errors`."""

    @abstractmethod
    def host(self) -> str:
        """The store's `host:port`."""

    @abstractmethod
    def head(self, key: str) -> Stat:
        """Raises NotFound."""

    @abstractmethod
    def get(self, key: str, start: int, length: int | None, etag: str | None) -> OpenObject:
        """Raises NotFound, also when the object has another ETag, and BeyondEnd."""

    @abstractmethod
    def page(self, prefix: str, delimiter: str, after: str | None, limit: int) -> Page:
        """A page of the keys that begin with `prefix`; `after` is a page's `next`."""

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> None:
        """Delete up to 1,000 objects; those that are missing already are no error."""

    @abstractmethod
    def presign_get(self, key: str, answered: Answered, seconds: int) -> str:
        """A URL to GET the object, answered with those headers."""

    @abstractmethod
    def encoding_of(self, key: str, answered: Answered) -> str:
        """The Content-Encoding of a GET that asks for those headers; raises BeyondEnd if empty."""

    @abstractmethod
    def presign_part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        """A URL to PUT a part."""

    @abstractmethod
    def part_headers(self) -> dict[str, str]:
        """Headers that the PUT of a part must carry."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class ObjectStore(Driver):
    """A driver over a `bucket`, or over the part of it below a prefix."""

    multipart = True
    presigned = True
    write_bytes = PART_BYTES

    def __init__(
        self, bucket: Bucket, prefix: str, *, download_url_seconds: int, part_url_seconds: int
    ) -> None:
        self.bucket = bucket
        self.host = bucket.host()
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._download_url_seconds = download_url_seconds
        self._part_url_seconds = part_url_seconds
        self._threads = Threads("objects", CONCURRENCY)
        self._aborts = Aborts(bucket, self._threads)
        # A thread of its own: transfers may occupy the others for long while the store is well.
        self._check_thread = Threads("check", 1)

    async def check(self) -> None:
        # Below the prefix: the service may have no rights to the rest of the bucket.
        await self._check_thread.run(self.bucket.page, self._prefix, "", None, 1)

    async def stat(self, path: str) -> Stat:
        return await self._threads.run(self._stat, path)

    def read(
        self,
        path: str,
        start: int = 0,
        length: int | None = None,
        *,
        etag: str | None = None,
        room: Room = UNBOUNDED,
    ) -> AbstractAsyncContextManager[Reading]:
        opening = partial(self._open, path, start, length, etag)
        return open_reading(self._threads, opening, room)

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int | None = None,
        room: Room = UNBOUNDED,
    ) -> None:
        key = self._key(path)
        await upload(self.bucket, self._threads, self._aborts, key, chunks, size, room)

    async def list(self, path: str) -> AsyncIterator[Entry]:
        prefix = self._below(path)
        after: str | None = None
        while True:
            page = await self._threads.run(self.bucket.page, prefix, "/", after, PAGE_ENTRIES)
            for entry in sorted(_entries(page, prefix), key=lambda entry: entry.path):
                yield entry
            if (after := page.next) is None:
                return

    async def delete(self, path: str) -> None:
        await self._threads.run(self._delete, path)

    async def create_multipart(self, path: str, parts: int) -> MultipartUpload:
        if not 1 <= parts <= MAX_PARTS:
            raise InvalidParameter(f"A multipart upload has 1 to {MAX_PARTS} parts, not {parts}.")
        return await self._threads.run(self._create_multipart, path, parts)

    async def complete_multipart(self, path: str, upload_id: str, parts: Sequence[Part]) -> None:
        if not parts:
            raise InvalidParameter("A multipart upload needs at least one part to be completed.")
        ordered = sorted(parts, key=lambda part: part.number)
        with _known(upload_id):
            await self._threads.run(self.bucket.complete, self._key(path), upload_id, ordered)

    async def abort_multipart(self, path: str, upload_id: str) -> None:
        with _known(upload_id):
            await self._threads.run(self.bucket.abort, self._key(path), upload_id)

    async def presign_download(self, path: str) -> SignedDownload:
        return await self._threads.run(self._presign_download, path)

    async def close(self) -> None:
        self._aborts.close()
        self._threads.close()
        self._check_thread.close()
        self.bucket.close()

    def _key(self, path: str) -> str:
        return self._prefix + path

    def _below(self, path: str) -> str:
        return f"{self._prefix}{path}/" if path else self._prefix

    # The methods below block; threads call them.

    def _stat(self, path: str) -> Stat:
        try:
            return self.bucket.head(self._key(path))
        except NotFound:
            self._refuse_directory(path)
            raise

    def _refuse_directory(self, path: str) -> None:
        if self.bucket.page(self._below(path), "", None, 1).entries:
            raise refers_to_directory(path)

    def _open(self, path: str, start: int, length: int | None, etag: str | None) -> OpenObject:
        try:
            if length == 0:
                raise BeyondEnd
            return self.bucket.get(self._key(path), start, length, etag)
        except BeyondEnd:
            stat = self.bucket.head(self._key(path))
            if etag is not None and stat.etag != etag:
                raise NotFound(f"'{path}' has been replaced.") from None
            return OpenObject(stat, 0, lambda _: b"", lambda: None)
        except NotFound:
            if etag is None:
                self._refuse_directory(path)
            raise

    def _delete(self, path: str) -> None:
        if path:
            self.bucket.delete([self._key(path)])
        after: str | None = None
        while True:
            page = self.bucket.page(self._below(path), "", after, PAGE_ENTRIES)
            if page.entries:
                self.bucket.delete([listed.key for listed in page.entries])
            if (after := page.next) is None:
                return

    def _create_multipart(self, path: str, parts: int) -> MultipartUpload:
        key = self._key(path)
        upload_id = self.bucket.begin(key)
        urls = [
            self.bucket.presign_part(key, upload_id, number, self._part_url_seconds)
            for number in range(1, parts + 1)
        ]
        return MultipartUpload(upload_id, urls, self.bucket.part_headers())

    def _presign_download(self, path: str) -> SignedDownload:
        stat, key = self._stat(path), self._key(path)
        answered = Answered(disposition(path), _IDENTITY if stat.encoding else None)
        url = self.bucket.presign_get(key, answered, self._download_url_seconds)
        return SignedDownload(url, stat.size, self._is_as_stored(key, stat, answered))

    def _is_as_stored(self, key: str, stat: Stat, answered: "Answered") -> bool:
        """Whether the store omits the encoding when asked to; some ignore that."""
        if stat.encoding.lower() in ("", _IDENTITY):
            return True
        try:
            return self.bucket.encoding_of(key, answered).lower() in ("", _IDENTITY)
        except BeyondEnd:  # An empty object has nothing to decode.
            return True


def content_type(key: str) -> str:
    """The media type to store with an object, by its name."""
    # The last name alone: guess_type takes a key that begins with `data:` for a URL.
    guessed, encoding = mimetypes.guess_type(key.rpartition("/")[2])
    return guessed if guessed and not encoding else "application/octet-stream"


def error(code: str, status: int | None) -> ApiError:
    """The error for an S3 error code, or for a bare status where there is no body (HEAD).

    The store's own message is not passed on: it may name keys, buckets and accounts.
    """
    if code == "NoSuchBucket":
        return Unavailable("The bucket of the artifact store does not exist.")
    if code in _ABSENT or status == 404:
        return NotFound("No such artifact: the store has no such object or upload.")
    if code == "PreconditionFailed" or status == 412:
        return NotFound("The object has been replaced.")
    if code in _REFUSED or status in (401, 403):
        return PermissionDenied("The artifact store refused the service's credentials.")
    if code in _BAD_PARTS:
        return InvalidParameter("The parts do not make up the upload: check numbers and ETags.")
    if code == "KeyTooLongError":
        return InvalidParameter("Invalid path: it is longer than the artifact store allows.")
    shown = f" ({code})" if code.isalnum() else ""
    kind = Refused if status in _BAD_REQUEST and code != "RequestTimeout" else Unavailable
    return kind(f"The artifact store failed{shown}; try again.")


@contextmanager
def _known(upload_id: str) -> Iterator[None]:
    """Raises NotFound for an id that no store gives to an upload.

    Some stores ignore an id with a line end, and would take the abort for the object's deletion.
    """
    try:
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise Refused(upload_id)
        yield
    except Refused as refusal:
        raise NotFound("The artifact store has no such upload: check upload_id.") from refusal


def _entries(page: Page, prefix: str) -> "list[Entry]":
    entries = []
    for listed in page.entries:
        name = listed.key.removeprefix(prefix).removesuffix("/")
        # A key that ends in "/" is no artifact: some tools mark empty directories so.
        if name and (listed.size is None or not listed.key.endswith("/")):
            entries.append(Entry(name, listed.size is None, listed.size))
    return entries
