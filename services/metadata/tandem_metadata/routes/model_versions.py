"""Endpoints of model versions and their tags."""

from functools import lru_cache
from typing import Any

from tandem_metadata.messages import model_versions as messages
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.routes.endpoint import MANY_BYTES, Context, Endpoint
from tandem_metadata.rules.source_rules import Rules
from tandem_metadata.settings import Settings
from tandem_metadata.store.registry import model_versions, tags, version_creation


def create(context: Context, request: messages.CreateModelVersion) -> messages.ModelVersionResponse:
    """Create a version of a model or of a prompt."""
    with context.db.write() as conn:
        version = version_creation.create(conn, request, _source_rules(context.settings))
    return messages.ModelVersionResponse(version)


def get(context: Context, request: messages.GetModelVersion) -> messages.ModelVersionResponse:
    """Read a version."""
    with context.db.read() as conn:
        return messages.ModelVersionResponse(
            model_versions.get(conn, request.name, request.version)
        )


def update(context: Context, request: messages.UpdateModelVersion) -> messages.ModelVersionResponse:
    """Change a version's description."""
    with context.db.write() as conn:
        version = model_versions.update(conn, request.name, request.version, request.description)
    return messages.ModelVersionResponse(version)


def delete(context: Context, request: messages.DeleteModelVersion) -> Empty:
    """Delete a version."""
    with context.db.write() as conn:
        model_versions.delete(conn, request.name, request.version)
    return Empty()


def get_download_uri(
    context: Context, request: messages.GetDownloadUri
) -> messages.GetDownloadUriResponse:
    """Tell where a version's artifacts are."""
    with context.db.read() as conn:
        return messages.GetDownloadUriResponse(
            model_versions.download_uri(conn, request.name, request.version)
        )


def transition_stage(
    context: Context, request: messages.TransitionStage
) -> messages.ModelVersionResponse:
    """Bring a version into a stage."""
    with context.db.write() as conn:
        version = model_versions.transition(
            conn,
            request.name,
            request.version,
            request.stage,
            archive_others=request.archive_existing_versions,
        )
    return messages.ModelVersionResponse(version)


def set_tag(context: Context, request: messages.SetModelVersionTag) -> Empty:
    """Set a tag of a version."""
    with context.db.write() as conn:
        tags.set_on_version(conn, request.name, request.version, request.key, request.value)
    return Empty()


def delete_tag(context: Context, request: messages.DeleteModelVersionTag) -> Empty:
    """Delete a tag of a version."""
    with context.db.write() as conn:
        tags.delete_from_version(conn, request.name, request.version, request.key)
    return Empty()


@lru_cache(maxsize=8)
def _source_rules(settings: Settings) -> Rules:
    hosts = [f"mlflow-artifacts://{host}/" for host in settings.artifact_hosts or ()]
    return Rules.of(
        settings.create_model_version_source_validation_regex,
        settings.allowed_host_addressed_artifact_schemes or (),
        [settings.default_artifact_root or "", *hosts],
    )


_PATH = "2.0/mlflow/model-versions"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_PATH}/create", messages.CreateModelVersion, create, body_bytes=MANY_BYTES),
    Endpoint("GET", f"{_PATH}/get", messages.GetModelVersion, get),
    Endpoint("PATCH", f"{_PATH}/update", messages.UpdateModelVersion, update),
    Endpoint("DELETE", f"{_PATH}/delete", messages.DeleteModelVersion, delete),
    Endpoint("GET", f"{_PATH}/get-download-uri", messages.GetDownloadUri, get_download_uri),
    Endpoint("POST", f"{_PATH}/transition-stage", messages.TransitionStage, transition_stage),
    Endpoint("POST", f"{_PATH}/set-tag", messages.SetModelVersionTag, set_tag),
    Endpoint("DELETE", f"{_PATH}/delete-tag", messages.DeleteModelVersionTag, delete_tag),
]
