"""What `server-info` answers: the features by which clients and the web UI choose their requests.

Both services answer it, since a client asks the server that it is about to use. The fields are
those of the followed release and of 3.18. The limits of skills are left out: there are none here.
"""

from collections.abc import Mapping

from msgspec import Struct, field


class ServerInfo(Struct, frozen=True):
    """Answer of `server-info`; the defaults are what neither service has."""

    store_type: str | None = None
    """`SqlStore` for a database; None for a server of artifacts alone."""
    workspaces_enabled: bool = False
    trace_archival_enabled: bool = False
    multipart_uploads_enabled: bool = False
    """Whether to upload large files by parts to presigned URLs, unasked."""
    multipart_downloads_enabled: bool = False
    """Whether to download from presigned URLs, unasked."""
    artifact_serving_enabled: bool = False
    """Whether this server takes and hands out files itself."""
    artifacts_presigned_only: bool = False
    """Whether files go by presigned URLs only; clients then never send them to the server."""
    presigned_upload_run_id_supported: bool = False
    presigned_upload_model_id_supported: bool = False
    model_artifact_presigned_downloads_supported: bool = False
    """Whether `artifacts/presigned-…-url` takes the ids of runs and models."""
    tracking_auth: str = ""
    """The plugin by which clients authenticate; the ingress does so here."""
    features_enabled: Mapping[str, bool] = field(
        default_factory=lambda: {"gateway": False, "scheduled_issue_detection": False}
    )
