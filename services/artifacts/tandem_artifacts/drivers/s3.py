"""`s3://bucket/prefix` by way of boto3: Amazon S3, and servers that speak its protocol."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from urllib3.exceptions import HTTPError

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
from tandem_shared.errors import PermissionDenied, Unavailable


class S3(ObjectStore):
    """A driver for a bucket of S3."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint_url: str | None = None,
        addressing_style: str | None = None,
        verify_tls: bool = True,
        bucket_owner: str | None = None,
        upload_arguments: Mapping[str, Any] | None = None,
        download_url_seconds: int = 300,
        part_url_seconds: int = 3600,
    ) -> None:
        """Credentials and region come from boto3's own chain: environment, profile, role.

        `addressing_style` is `path`, `virtual` or `auto`; without it, a given endpoint is addressed
        by path. `bucket_owner` is the account that must own the bucket. `upload_arguments` go with
        every object stored, named as for boto3's `put_object`, such as `ServerSideEncryption`.
        Raises BotoCoreError or ValueError for what can never work.
        """
        config = Config(
            s3={"addressing_style": addressing_style or ("path" if endpoint_url else "auto")},
            signature_version="s3v4",
            max_pool_connections=objects.CONNECTIONS,
            connect_timeout=objects.CONNECT_SECONDS,
            read_timeout=objects.READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": objects.ATTEMPTS},
            # By default botocore (1.36 and later) adds trailing checksums, which many S3-compatible
            # servers refuse. The signature covers a hash of the payload already.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        client = boto3.session.Session().client(
            "s3", endpoint_url=endpoint_url, verify=None if verify_tls else False, config=config
        )
        if upload_arguments:
            _check(upload_arguments)
        super().__init__(
            _Bucket(client, bucket, bucket_owner, upload_arguments or {}),
            prefix,
            download_url_seconds=download_url_seconds,
            part_url_seconds=part_url_seconds,
        )


def _check(upload_arguments: Mapping[str, Any]) -> None:
    """Raise ValueError for arguments that S3 does not know: every upload would fail by them."""
    # To sign a URL checks the arguments without a request; unsigned, it needs no credentials.
    unsigned = Config(signature_version=botocore.UNSIGNED)
    client = boto3.session.Session().client("s3", region_name="us-east-1", config=unsigned)
    given = {"Bucket": "bucket", "Key": "key", **upload_arguments}
    try:
        for operation in ("put_object", "create_multipart_upload"):
            client.generate_presigned_url(operation, Params=given)
    except ParamValidationError as failure:
        raise ValueError(f"MLFLOW_S3_UPLOAD_EXTRA_ARGS: {failure}") from failure
    finally:
        client.close()


class _Bucket(objects.Bucket):
    """The calls of a bucket, for the threads of `ObjectStore`: boto3's clients are thread-safe."""

    def __init__(
        self, client: Any, name: str, owner: str | None, upload_arguments: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._owner = owner
        self._bucket: dict[str, Any] = {"Bucket": name}
        self._owned = self._bucket | ({"ExpectedBucketOwner": owner} if owner else {})
        self._upload_arguments = dict(upload_arguments)

    def host(self) -> str:
        endpoint: str = self._client.meta.endpoint_url
        return urlsplit(endpoint).netloc

    def head(self, key: str) -> Stat:
        with _translated():
            found = self._client.head_object(**self._owned, Key=key)
        return _stat(found, found["ContentLength"])

    def get(self, key: str, start: int, length: int | None, etag: str | None) -> OpenObject:
        arguments = dict(self._owned)
        if start or length is not None:
            end = "" if length is None else start + length - 1
            arguments["Range"] = f"bytes={start}-{end}"
        if etag is not None:
            arguments["IfMatch"] = f'"{etag}"'
        with _translated():
            found = self._client.get_object(**arguments, Key=key)
        body, length = found["Body"], found["ContentLength"]
        total = found.get("ContentRange", "").rpartition("/")[2]

        def read(size: int) -> bytes:
            with _translated():
                data: bytes = body.read(size)
                return data

        return OpenObject(
            _stat(found, int(total) if total.isdigit() else length), length, read, body.close
        )

    def page(self, prefix: str, delimiter: str, after: str | None, limit: int) -> Page:
        arguments = self._owned | {"Prefix": prefix, "Delimiter": delimiter, "MaxKeys": limit}
        if after is not None:
            arguments["ContinuationToken"] = after
        with _translated():
            found = self._client.list_objects_v2(**arguments)
        entries = [Listed(each["Key"], each["Size"]) for each in found.get("Contents", ())]
        entries += [Listed(each["Prefix"], None) for each in found.get("CommonPrefixes", ())]
        return Page(entries, found.get("NextContinuationToken") if found["IsTruncated"] else None)

    def put(self, key: str, data: bytes | bytearray) -> None:
        with _translated():
            self._client.put_object(**self._storing(key), Body=data)

    def begin(self, key: str) -> str:
        with _translated():
            upload_id: str = self._client.create_multipart_upload(**self._storing(key))["UploadId"]
        return upload_id

    def put_part(self, key: str, upload_id: str, number: int, data: bytes | bytearray) -> str:
        with _translated():
            stored = self._client.upload_part(
                **self._owned, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )
        return _bare(stored["ETag"])

    def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        listed = [{"PartNumber": part.number, "ETag": f'"{_bare(part.etag)}"'} for part in parts]
        with _translated():
            self._client.complete_multipart_upload(
                **self._owned, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed}
            )

    def abort(self, key: str, upload_id: str) -> None:
        with _translated():
            self._client.abort_multipart_upload(**self._owned, Key=key, UploadId=upload_id)

    def delete(self, keys: Sequence[str]) -> None:
        with _translated():
            if len(keys) == 1:
                self._client.delete_object(**self._owned, Key=keys[0])
                return
            wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            errors = self._client.delete_objects(**self._owned, Delete=wanted).get("Errors")
        if errors:
            raise objects.error(errors[0].get("Code", ""), None)

    def presign_get(self, key: str, answered: Answered, seconds: int) -> str:
        # Without the expected owner: a browser that follows the URL sends no such header.
        arguments = self._bucket | {"Key": key} | _asked(answered)
        return self._presign("get_object", arguments, seconds)

    def encoding_of(self, key: str, answered: Answered) -> str:
        arguments = self._owned | {"Key": key, "Range": "bytes=0-0"} | _asked(answered)
        with _translated():
            found = self._client.get_object(**arguments)
            found["Body"].close()
        encoding: str = found.get("ContentEncoding", "")
        return encoding

    def presign_part(self, key: str, upload_id: str, number: int, seconds: int) -> str:
        arguments = self._owned | {"Key": key, "UploadId": upload_id, "PartNumber": number}
        return self._presign("upload_part", arguments, seconds)

    def part_headers(self) -> dict[str, str]:
        return {"x-amz-expected-bucket-owner": self._owner} if self._owner else {}

    def close(self) -> None:
        self._client.close()

    def _storing(self, key: str) -> dict[str, Any]:
        kind = {"ContentType": objects.content_type(key)}
        return self._owned | kind | self._upload_arguments | {"Key": key}

    def _presign(self, operation: str, arguments: Mapping[str, Any], seconds: int) -> str:
        with _translated():
            url: str = self._client.generate_presigned_url(
                operation, Params=dict(arguments), ExpiresIn=seconds
            )
        return url


def _stat(found: Mapping[str, Any], size: int) -> Stat:
    modified = found["LastModified"].timestamp()
    return Stat(size, _bare(found["ETag"]), modified, found.get("ContentEncoding", ""))


def _asked(answered: Answered) -> dict[str, str]:
    asked = {"ResponseContentDisposition": answered.disposition}
    if answered.encoding is not None:
        asked["ResponseContentEncoding"] = answered.encoding
    return asked


def _bare(etag: str) -> str:
    return etag.strip('"')


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as failure:
        code = str(failure.response.get("Error", {}).get("Code", ""))
        status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code == "InvalidRange" or status == 416:
            raise BeyondEnd from None
        raise objects.error(code, status) from failure
    except (NoCredentialsError, PartialCredentialsError) as failure:
        raise PermissionDenied(
            "The service has no credentials for the artifact store: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or another way that boto3 knows."
        ) from failure
    except (BotoCoreError, HTTPError, OSError) as failure:
        raise Unavailable("The artifact store does not answer; try again.") from failure
