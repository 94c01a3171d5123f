"""The requests and answers of MLflow's artifact proxy."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from tandem_shared.wire.codec import Required

MAX_PARTS = 10_000
"""The most parts that S3 takes for one object."""

PartNumber = Annotated[int, Meta(ge=1, le=MAX_PARTS)]


class ListArtifacts(Struct):
    path: str | None = None


class FileInfo(Struct, omit_defaults=True):
    """One entry of a listing; `path` is its name alone."""

    path: str
    is_dir: bool
    file_size: int | UnsetType = UNSET
    """Bytes; left out for a directory."""


class CreateMultipartUpload(Struct):
    path: Required
    """The file's path on the client; its last name is the object's."""
    num_parts: PartNumber = 1


class MultipartUploadCredential(Struct, omit_defaults=True):
    url: str
    part_number: int
    headers: Mapping[str, str] | UnsetType = UNSET


class CreateMultipartUploadResponse(Struct):
    upload_id: str
    credentials: list[MultipartUploadCredential]


class MultipartUploadPart(Struct):
    part_number: PartNumber
    etag: Required
    url: str = ""
    """The part's presigned URL. All clients send it; the service does not read it."""


class CompleteMultipartUpload(Struct):
    path: Required
    upload_id: Required
    parts: Annotated[list[MultipartUploadPart], Meta(min_length=1, max_length=MAX_PARTS)]


class AbortMultipartUpload(Struct):
    path: Required
    upload_id: Required


class GetPresignedDownloadUrlResponse(Struct, omit_defaults=True):
    url: str
    file_size: int | UnsetType = UNSET
    """Bytes; without it a client does not download by ranges."""
