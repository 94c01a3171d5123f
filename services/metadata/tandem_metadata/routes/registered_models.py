"""Endpoints of registered models, their tags and aliases."""

from typing import Any

from tandem_metadata.messages import registered_models as messages
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.messages.model_versions import ModelVersionResponse
from tandem_metadata.routes.endpoint import MANY_BYTES, Context, Endpoint
from tandem_metadata.store.registry import aliases, registered_models, tags


def create(
    context: Context, request: messages.CreateRegisteredModel
) -> messages.RegisteredModelResponse:
    """Create a registered model or a prompt."""
    with context.db.write() as conn:
        model = registered_models.create(conn, request.name, request.tags, request.description)
    return messages.RegisteredModelResponse(model)


def get(context: Context, request: messages.GetRegisteredModel) -> messages.RegisteredModelResponse:
    """Read a registered model."""
    with context.db.read() as conn:
        return messages.RegisteredModelResponse(registered_models.get(conn, request.name))


def update(
    context: Context, request: messages.UpdateRegisteredModel
) -> messages.RegisteredModelResponse:
    """Change a registered model's description."""
    with context.db.write() as conn:
        model = registered_models.update(conn, request.name, request.description)
    return messages.RegisteredModelResponse(model)


def rename(
    context: Context, request: messages.RenameRegisteredModel
) -> messages.RegisteredModelResponse:
    """Rename a registered model."""
    model = context.db.run_in_transaction(
        lambda conn: registered_models.rename(conn, request.name, request.new_name)
    )
    return messages.RegisteredModelResponse(model)


def delete(context: Context, request: messages.DeleteRegisteredModel) -> Empty:
    """Delete a registered model and its versions."""
    with context.db.write() as conn:
        registered_models.delete(conn, request.name)
    return Empty()


def latest_versions(
    context: Context, request: messages.GetLatestVersions
) -> messages.GetLatestVersionsResponse:
    """Read the latest version of each stage."""
    with context.db.read() as conn:
        return messages.GetLatestVersionsResponse(
            registered_models.latest_versions(conn, request.name, request.stages)
        )


def set_tag(context: Context, request: messages.SetRegisteredModelTag) -> Empty:
    """Set a tag of a registered model."""
    with context.db.write() as conn:
        tags.set_on_model(conn, request.name, request.key, request.value)
    return Empty()


def delete_tag(context: Context, request: messages.DeleteRegisteredModelTag) -> Empty:
    """Delete a tag of a registered model."""
    with context.db.write() as conn:
        tags.delete_from_model(conn, request.name, request.key)
    return Empty()


def set_alias(context: Context, request: messages.SetAlias) -> Empty:
    """Let an alias stand for a version."""
    with context.db.write() as conn:
        aliases.set(conn, request.name, request.alias, request.version)
    return Empty()


def delete_alias(context: Context, request: messages.DeleteAlias) -> Empty:
    """Delete an alias."""
    with context.db.write() as conn:
        aliases.delete(conn, request.name, request.alias)
    return Empty()


def get_by_alias(context: Context, request: messages.GetByAlias) -> ModelVersionResponse:
    """Read the version that an alias stands for."""
    with context.db.read() as conn:
        return ModelVersionResponse(aliases.get(conn, request.name, request.alias))


_PATH = "2.0/mlflow/registered-models"
_LATEST = f"{_PATH}/get-latest-versions"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST", f"{_PATH}/create", messages.CreateRegisteredModel, create, body_bytes=MANY_BYTES
    ),
    Endpoint("GET", f"{_PATH}/get", messages.GetRegisteredModel, get),
    Endpoint("PATCH", f"{_PATH}/update", messages.UpdateRegisteredModel, update),
    Endpoint("POST", f"{_PATH}/rename", messages.RenameRegisteredModel, rename),
    Endpoint("DELETE", f"{_PATH}/delete", messages.DeleteRegisteredModel, delete),
    Endpoint("GET", _LATEST, messages.GetLatestVersions, latest_versions),
    Endpoint("POST", _LATEST, messages.GetLatestVersions, latest_versions, reads=True),
    Endpoint("POST", f"{_PATH}/set-tag", messages.SetRegisteredModelTag, set_tag),
    Endpoint("DELETE", f"{_PATH}/delete-tag", messages.DeleteRegisteredModelTag, delete_tag),
    Endpoint("POST", f"{_PATH}/alias", messages.SetAlias, set_alias),
    Endpoint("DELETE", f"{_PATH}/alias", messages.DeleteAlias, delete_alias),
    Endpoint("GET", f"{_PATH}/alias", messages.GetByAlias, get_by_alias),
]
