"""`minio://host:port/bucket/prefix` by way of the minio SDK.

The SDK has public calls for whole objects only, none for single parts, or for single pages of a
listing. Undocumented parts that this module uses, and no other does:

- `Minio._execute(method, bucket, key, body, headers, query_params)`: one signed request, which is
  retried, and whose failure is raised as `S3Error`, `ServerError` or `InvalidResponseError`;
- `InvalidResponseError._code`: the status of an answer that is no XML.

`put_object` is public, but copies the object, beyond the memory that its upload is granted.
`tests/artifacts/drivers/test_library_versions.py` fails where a new version lacks these.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from xml.etree import ElementTree

import certifi
import urllib3
from minio import Minio as Client
from minio.credentials.providers import Provider, StaticProvider
from minio.datatypes import CompleteMultipartUploadResult, parse_list_objects
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from tandem_artifacts.drivers import objects
from tandem_artifacts.drivers.base import Part, Stat
from tandem_artifacts.drivers.objects import (
    Answered,
    BeyondEnd,
    Listed,
    ObjectStore,
    Page,
)
from tandem_artifacts.drivers.reading import OpenObject
from tandem_shared.errors import ApiError, Unavailable

SUPPORTED: Final = ("minio", "7.2.")
"""The SDK and the beginning of the versions that have the undocumented parts above."""

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
"""Of the XML that S3 takes."""


class Minio(ObjectStore):
    """A driver for a bucket of a MinIO server."""

    def __init__(
        self,
        endpoint: str,
        bucket: str,
        prefix: str,
        *,
        access_key: str,
        secret_key: str,
        session_token: str | None = None,
        secure: bool = True,
        region: str | None = None,
        verify_tls: bool = True,
        ca_file: str | None = None,
        download_url_seconds: int = 300,
        part_url_seconds: int = 3600,
    ) -> None:
        """`endpoint` is `host` or `host:port`; without a region the server is asked for one."""
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=objects.CONNECT_SECONDS, read=objects.READ_SECONDS),
            maxsize=objects.CONNECTIONS,
            cert_reqs="CERT_REQUIRED" if verify_tls else "CERT_NONE",
            ca_certs=ca_file or certifi.where(),
            retries=urllib3.Retry(
                total=objects.ATTEMPTS - 1,
                backoff_factor=0.2,
                status_forcelist=(500, 502, 503, 504),
                # The last answer is returned, so that its error code can be read.
                raise_on_status=False,
            ),
        )
        credentials: Provider = StaticProvider(access_key, secret_key, session_token)
        client = Client(
            endpoint, credentials=credentials, secure=secure, region=region, http_client=pool
        )
        super().__init__(
            _Bucket(client, pool, endpoint, bucket),
            prefix,
            download_url_seconds=download_url_seconds,
            part_url_seconds=part_url_seconds,
        )


class _Bucket(objects.Bucket):
    """The calls of a bucket, for the threads of `ObjectStore`: the SDK's client is thread-safe."""

    def __init__(self, client: Client, pool: urllib3.PoolManager, host: str, name: str) -> None:
        self._client: Any = client
        self._pool = pool
        self._host = host
        self._name = name

    def host(self) -> str:
        return self._host

    def head(self, key: str) -> Stat:
        with _translated():
            found = self._client.stat_object(self._name, key)
        encoding = found.metadata.get("content-encoding", "")
        return Stat(found.size, found.etag, found.last_modified.timestamp(), encoding)

    def get(self, key: str, start: int, length: int | None, etag: str | None) -> OpenObject:
        headers = {} if etag is None else {"If-Match": f'"{etag}"'}
        if start or length is not None:
            end = "" if length is None else start + length - 1
            headers["Range"] = f"bytes={start}-{end}"
        with _translated():
            body = self._client.get_object(self._name, key, request_headers=headers)
        got = body.headers
        length = int(got["content-length"])
        total = got.get("content-range", "").rpartition("/")[2]
        modified = _seconds(got["last-modified"])
        size = int(total) if total.isdigit() else length
        stat = Stat(size, got["etag"].strip('"'), modified, got.get("content-encoding", ""))

        def read(size: int) -> bytes:
            with _translated():
                # As stored: urllib3 would decode a body that has a Content-Encoding.
                data: bytes = body.read(size, decode_content=False)
                return data

        def close() -> None:
            body.close()
            body.release_conn()

        return OpenObject(stat, length, read, close)

    def page(self, prefix: str, delimiter: str, after: str | None, limit: int) -> Page:
        query = {
            "list-type": "2",
            "encoding-type": "url",
            "prefix": prefix,
            "delimiter": delimiter,
            "max-keys": str(limit),
        }
        if after is not None:
            query["continuation-token"] = after
        with _translated():
            found, more, following, _ = parse_list_objects(self._request("GET", None, query))
        entries = [
            Listed(each.object_name or "", None if each.last_modified is None else each.size or 0)
            for each in found
        ]
        return Page(entries, following if more else None)

    def put(self, key: str, data: bytes | bytearray) -> None:
        with _translated():
            self._request("PUT", key, {}, data, _kind(key))

    def begin(self, key: str) -> str:
        with _translated():
            begun = self._request("POST", key, {"uploads": ""}, headers=_kind(key))
            upload_id = ElementTree.fromstring(begun.data).findtext("{*}UploadId")
        if not upload_id:
            raise Unavailable("The artifact store began an upload without an id; try again.")
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, data: bytes | bytearray) -> str:
        query = {"partNumber": str(number), "uploadId": upload_id}
        with _translated():
            etag: str = self._request("PUT", key, query, data).headers.get("etag", "")
        return etag.strip('"')

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        root = ElementTree.Element("CompleteMultipartUpload", xmlns=_NAMESPACE)
        for part in parts:
            element = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(element, "PartNumber").text = str(part.number)
            ElementTree.SubElement(element, "ETag").text = '"{}"'.format(part.etag.strip('"'))
        headers = {"Content-Type": "application/xml"}
        with _translated():
            done = self._request(
                "POST", key, {"uploadId": upload_id}, ElementTree.tostring(root), headers
            )
            etag = CompleteMultipartUploadResult(done).etag
        # S3 may answer 200 with an error as its body, in which the SDK finds no ETag.
        if not etag:
            raise Unavailable("The artifact store could not put the parts together; try again.")

    def abort(self, key: str, upload_id: str) -> None:
        with _translated():
            self._request("DELETE", key, {"uploadId": upload_id})

    def delete(self, keys: Sequence[str]) -> None:
        with _translated():
            if len(keys) == 1:
                self._client.remove_object(self._name, keys[0])
                return
            wanted = [DeleteObject(key) for key in keys]
            failed = next(iter(self._client.remove_objects(self._name, wanted)), None)
        if failed is not None:
            raise objects.error(failed.code or "", None)

    def presign_get(self, key: str, answered: Answered, seconds: int) -> str:
        with _translated():
            url: str = self._client.presigned_get_object(
                self._name, key, timedelta(seconds=seconds), _asked(answered)
            )
        return url

    def encoding_of(self, key: str, answered: Answered) -> str:
        with _translated():
            body = self._client.get_object(
                self._name,
                key,
                request_headers={"Range": "bytes=0-0"},
                extra_query_params=_asked(answered),
            )
        encoding: str = body.headers.get("content-encoding", "")
        body.close()
        body.release_conn()
        return encoding

    def presign_part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        query = {"partNumber": str(number), "uploadId": upload_id}
        with _translated():
            url: str = self._client.get_presigned_url(
                "PUT", self._name, key, timedelta(seconds=seconds), extra_query_params=query
            )
        return url

    def part_headers(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self._pool.clear()

    def _request(
        self,
        method: str,
        key: str | None,
        query: dict[str, str],
        body: bytes | bytearray | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The answer to one signed request, read whole; without a key to the bucket itself."""
        answer: urllib3.BaseHTTPResponse = self._client._execute(
            method, self._name, key, body=body, headers=headers, query_params=query
        )
        return answer


def _kind(key: str) -> dict[str, str]:
    return {"Content-Type": objects.content_type(key)}


def _asked(answered: Answered) -> dict[str, str]:
    asked = {"response-content-disposition": answered.disposition}
    if answered.encoding is not None:
        asked["response-content-encoding"] = answered.encoding
    return asked


def _seconds(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except S3Error as failure:
        status = failure.response.status
        if failure.code == "InvalidRange" or status == 416:
            raise BeyondEnd from None
        raise objects.error(failure.code or "", status) from failure
    except (ServerError, InvalidResponseError) as failure:
        raise _without_body(failure) from failure
    except (
        MinioException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
        ElementTree.ParseError,
    ) as failure:
        raise Unavailable("The artifact store does not answer; try again.") from failure


def _without_body(failure: ServerError | InvalidResponseError) -> ApiError:
    """The error for an answer without an S3 error document, by its status alone."""
    status = failure.status_code if isinstance(failure, ServerError) else failure._code
    return objects.error("", status)
