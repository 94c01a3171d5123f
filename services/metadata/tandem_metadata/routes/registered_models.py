"""Endpoints of registered models, their tags and aliases."""

from typing import Any

from tandem_metadata.access import account, ownership, registry_rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import registered_models as messages
from tandem_metadata.messages.model_versions import ModelVersionResponse
from tandem_metadata.routes.endpoint import MANY_BYTES, READ, RETRIED_WRITE, WRITE, Endpoint
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.registry import aliases, registered_models, tags


def create(
    conn: Connection, request: messages.CreateRegisteredModel
) -> messages.RegisteredModelResponse:
    """Create a registered model or a prompt."""
    model = registered_models.create(conn, request.name, request.tags, request.description)
    family = (
        permissions.PROMPT if registry_rules.is_prompt(request) else permissions.REGISTERED_MODEL
    )
    ownership.give(conn, family, request.name)
    return messages.RegisteredModelResponse(model)


def get(conn: Connection, request: messages.GetRegisteredModel) -> messages.RegisteredModelResponse:
    """Read a registered model."""
    return messages.RegisteredModelResponse(registered_models.get(conn, request.name))


def update(
    conn: Connection, request: messages.UpdateRegisteredModel
) -> messages.RegisteredModelResponse:
    """Change a registered model's description."""
    model = registered_models.update(conn, request.name, request.description)
    return messages.RegisteredModelResponse(model)


def rename(
    conn: Connection, request: messages.RenameRegisteredModel
) -> messages.RegisteredModelResponse:
    """Rename a registered model."""
    model = registered_models.rename(conn, request.name, request.new_name)
    ownership.move_name(conn, request.name, request.new_name)
    return messages.RegisteredModelResponse(model)


def delete(conn: Connection, request: messages.DeleteRegisteredModel) -> None:
    """Delete a registered model and its versions."""
    registered_models.delete(conn, request.name)
    ownership.drop_name(conn, request.name)


def latest_versions(
    conn: Connection, request: messages.GetLatestVersions
) -> messages.GetLatestVersionsResponse:
    """Read the latest version of each stage."""
    return messages.GetLatestVersionsResponse(
        registered_models.latest_versions(conn, request.name, request.stages)
    )


def set_tag(conn: Connection, request: messages.SetRegisteredModelTag) -> None:
    """Set a tag of a registered model."""
    tags.set_on_model(
        conn, request.name, request.key, request.value, keep_kind=account.current() is not None
    )


def delete_tag(conn: Connection, request: messages.DeleteRegisteredModelTag) -> None:
    """Delete a tag of a registered model."""
    tags.delete_from_model(conn, request.name, request.key, keep_kind=account.current() is not None)


def set_alias(conn: Connection, request: messages.SetAlias) -> None:
    """Let an alias stand for a version."""
    aliases.set(conn, request.name, request.alias, request.version)


def delete_alias(conn: Connection, request: messages.DeleteAlias) -> None:
    """Delete an alias."""
    aliases.delete(conn, request.name, request.alias)


def get_by_alias(conn: Connection, request: messages.GetByAlias) -> ModelVersionResponse:
    """Read the version that an alias stands for."""
    return ModelVersionResponse(aliases.get(conn, request.name, request.alias))


_PATH = "2.0/mlflow/registered-models"
_LATEST = f"{_PATH}/get-latest-versions"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        f"{_PATH}/create",
        messages.CreateRegisteredModel,
        WRITE,
        create,
        registry_rules.NEW_REGISTERED,
        MANY_BYTES,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/get",
        messages.GetRegisteredModel,
        READ,
        get,
        registry_rules.registered(Action.READ),
    ),
    Endpoint(
        "PATCH",
        f"{_PATH}/update",
        messages.UpdateRegisteredModel,
        WRITE,
        update,
        registry_rules.registered(Action.UPDATE),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/rename",
        messages.RenameRegisteredModel,
        RETRIED_WRITE,
        rename,
        registry_rules.registered(Action.UPDATE),
    ),
    Endpoint(
        "DELETE",
        f"{_PATH}/delete",
        messages.DeleteRegisteredModel,
        WRITE,
        delete,
        registry_rules.registered(Action.DELETE, Action.DELETE),
    ),
    Endpoint(
        "GET",
        _LATEST,
        messages.GetLatestVersions,
        READ,
        latest_versions,
        registry_rules.version(Action.READ),
    ),
    Endpoint(
        "POST",
        _LATEST,
        messages.GetLatestVersions,
        READ,
        latest_versions,
        registry_rules.version(Action.READ),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/set-tag",
        messages.SetRegisteredModelTag,
        WRITE,
        set_tag,
        registry_rules.registered(Action.UPDATE),
    ),
    Endpoint(
        "DELETE",
        f"{_PATH}/delete-tag",
        messages.DeleteRegisteredModelTag,
        WRITE,
        delete_tag,
        registry_rules.registered(Action.UPDATE),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/alias",
        messages.SetAlias,
        WRITE,
        set_alias,
        registry_rules.registered(Action.UPDATE, Action.READ),
    ),
    Endpoint(
        "DELETE",
        f"{_PATH}/alias",
        messages.DeleteAlias,
        WRITE,
        delete_alias,
        registry_rules.registered(Action.DELETE, Action.READ),
    ),
    Endpoint(
        "GET",
        f"{_PATH}/alias",
        messages.GetByAlias,
        READ,
        get_by_alias,
        registry_rules.version(Action.READ),
    ),
]
