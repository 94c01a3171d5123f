"""Messages of presigned URLs of artifacts."""

from msgspec import Struct

from tandem_shared.wire.codec import Int64, Required


class CreatePresignedUploadUrl(Struct):
    """Request of `artifacts/presigned-upload-url`, for a run or a logged model."""

    path: Required
    run_id: str = ""
    model_id: str = ""
    expiration: Int64 | None = None


class CreatePresignedDownloadUrl(Struct):
    """Request of `artifacts/presigned-download-url`; `expiration` is in seconds."""

    run_id: Required
    path: Required
    expiration: Int64 | None = None
