"""Endpoints of model versions and their tags."""

from functools import lru_cache
from typing import Any

from tandem_metadata.access import account, registry_rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import model_versions as messages
from tandem_metadata.routes.endpoint import MANY_BYTES, READ, WRITE, Context, Endpoint
from tandem_metadata.rules.permissions import Action
from tandem_metadata.rules.source_rules import Rules
from tandem_metadata.settings import Settings
from tandem_metadata.store.registry import model_versions, tags, version_creation


async def create(
    context: Context, request: messages.CreateModelVersion
) -> messages.ModelVersionResponse:
    """Create a version of a model or of a prompt."""
    rules = _source_rules(context.settings)
    made = await context.write(version_creation.create, request, rules)
    return messages.ModelVersionResponse(made)


def get(conn: Connection, request: messages.GetModelVersion) -> messages.ModelVersionResponse:
    """Read a version."""
    return messages.ModelVersionResponse(model_versions.get(conn, request.name, request.version))


def update(conn: Connection, request: messages.UpdateModelVersion) -> messages.ModelVersionResponse:
    """Change a version's description."""
    version = model_versions.update(conn, request.name, request.version, request.description)
    return messages.ModelVersionResponse(version)


def delete(conn: Connection, request: messages.DeleteModelVersion) -> None:
    """Delete a version."""
    model_versions.delete(conn, request.name, request.version)


def get_download_uri(
    conn: Connection, request: messages.GetDownloadUri
) -> messages.GetDownloadUriResponse:
    """Tell where a version's artifacts are."""
    return messages.GetDownloadUriResponse(
        model_versions.download_uri(conn, request.name, request.version)
    )


def transition_stage(
    conn: Connection, request: messages.TransitionStage
) -> messages.ModelVersionResponse:
    """Bring a version into a stage."""
    version = model_versions.transition(
        conn,
        request.name,
        request.version,
        request.stage,
        archive_others=request.archive_existing_versions,
    )
    return messages.ModelVersionResponse(version)


def set_tag(conn: Connection, request: messages.SetModelVersionTag) -> None:
    """Set a tag of a version."""
    tags.set_on_version(
        conn,
        request.name,
        request.version,
        request.key,
        request.value,
        keep_kind=account.current() is not None,
    )


def delete_tag(conn: Connection, request: messages.DeleteModelVersionTag) -> None:
    """Delete a tag of a version."""
    tags.delete_from_version(
        conn,
        request.name,
        request.version,
        request.key,
        keep_kind=account.current() is not None,
    )


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
    Endpoint(
        "POST",
        f"{_PATH}/create",
        messages.CreateModelVersion,
        WRITE,
        create,
        registry_rules.NEW_VERSION,
        MANY_BYTES,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/get",
        messages.GetModelVersion,
        READ,
        get,
        registry_rules.version(Action.READ),
    ),
    Endpoint(
        "PATCH",
        f"{_PATH}/update",
        messages.UpdateModelVersion,
        WRITE,
        update,
        registry_rules.version(Action.UPDATE),
    ),
    Endpoint(
        "DELETE",
        f"{_PATH}/delete",
        messages.DeleteModelVersion,
        WRITE,
        delete,
        registry_rules.version(Action.DELETE),
    ),
    Endpoint(
        "GET",
        f"{_PATH}/get-download-uri",
        messages.GetDownloadUri,
        READ,
        get_download_uri,
        registry_rules.version(Action.READ),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/transition-stage",
        messages.TransitionStage,
        WRITE,
        transition_stage,
        registry_rules.version(Action.UPDATE),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/set-tag",
        messages.SetModelVersionTag,
        WRITE,
        set_tag,
        registry_rules.version(Action.UPDATE),
    ),
    Endpoint(
        "DELETE",
        f"{_PATH}/delete-tag",
        messages.DeleteModelVersionTag,
        WRITE,
        delete_tag,
        registry_rules.version(Action.DELETE),
    ),
]
