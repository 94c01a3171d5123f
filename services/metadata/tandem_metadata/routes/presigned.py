"""Presigned URLs, which only stores give that clients use directly; all requests are refused.

Artifacts of an artifacts service are transferred through it, and it presigns downloads itself. This
service has no credentials of any store.
"""

from typing import Any, NoReturn
from urllib.parse import urlsplit

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages.presigned import CreatePresignedDownloadUrl, CreatePresignedUploadUrl
from tandem_metadata.routes.endpoint import READ, Endpoint
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.logged_models import logged_models
from tandem_metadata.store.tracking import runs
from tandem_shared import paths
from tandem_shared.errors import InvalidParameter, NotSupported

_LONGEST_SECONDS = 7 * 24 * 3600
_SERVED = ("http", "https", "mlflow-artifacts")


def presign_upload(conn: Connection, request: CreatePresignedUploadUrl) -> NoReturn:
    """Refuse to sign an upload of a run or a logged model, with the reason."""
    if bool(request.run_id) == bool(request.model_id):
        raise InvalidParameter("Exactly one of run_id and model_id must be provided.")
    paths.check(request.path)
    if request.run_id:
        _refuse("upload", runs.artifact_uri(conn, request.run_id))
    _refuse("upload", logged_models.artifact_uri(conn, request.model_id))


def presign_download(conn: Connection, request: CreatePresignedDownloadUrl) -> NoReturn:
    """Refuse to sign a download of a run, with the reason."""
    paths.check(request.path)
    if request.expiration is not None and not 1 <= request.expiration <= _LONGEST_SECONDS:
        raise InvalidParameter(
            f"Parameter 'expiration' must be between 1 and {_LONGEST_SECONDS} seconds, not "
            f"{request.expiration}."
        )
    _refuse("download", runs.artifact_uri(conn, request.run_id))


def _refuse(what: str, uri: str) -> NoReturn:
    scheme = urlsplit(uri).scheme
    if scheme in _SERVED:
        raise InvalidParameter(
            f"Presigned {what} is not supported for proxied artifact storage (scheme '{scheme}'): "
            f"{what} the file at the artifact location, which the artifacts service answers."
        )
    raise NotSupported(
        f"Presigned {what} is not supported: this service has no credentials of the store that "
        "the artifact location names. Use it with credentials of your own."
    )


_PATH = "2.0/mlflow/artifacts"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        f"{_PATH}/presigned-upload-url",
        CreatePresignedUploadUrl,
        READ,
        presign_upload,
        rules.RUN_OR_LOGGED_MODEL,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/presigned-download-url",
        CreatePresignedDownloadUrl,
        READ,
        presign_download,
        rules.run(Action.READ),
    ),
]
