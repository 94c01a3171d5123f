"""Messages of registered models, their tags and aliases."""

from msgspec import Struct

from tandem_metadata.messages.key_value import KeyValue
from tandem_metadata.messages.model_versions import ModelVersion
from tandem_shared.wire.codec import Required


class RegisteredModelTag(KeyValue):
    """A tag of a registered model."""


class RegisteredModelAlias(Struct):
    """An alias of a registered model and the version it stands for."""

    alias: str
    version: str


class RegisteredModel(Struct, omit_defaults=True):
    """A registered model in an answer; times count milliseconds since 1970."""

    name: str
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    description: str | None = None
    latest_versions: list[ModelVersion] = []
    """The latest version in each stage, without aliases."""
    tags: list[RegisteredModelTag] = []
    aliases: list[RegisteredModelAlias] = []


class RegisteredModelResponse(Struct):
    """Answer of the requests that read or change one registered model."""

    registered_model: RegisteredModel


class CreateRegisteredModel(Struct):
    """Request of `registered-models/create`."""

    name: Required
    tags: list[RegisteredModelTag] = []
    description: str = ""


class GetRegisteredModel(Struct):
    """Request of `registered-models/get`."""

    name: Required


class UpdateRegisteredModel(Struct):
    """Request of `registered-models/update`; without a description the old one is removed."""

    name: Required
    description: str = ""


class RenameRegisteredModel(Struct):
    """Request of `registered-models/rename`."""

    name: Required
    new_name: Required


class DeleteRegisteredModel(Struct):
    """Request of `registered-models/delete`."""

    name: Required


class GetLatestVersions(Struct):
    """Request of `registered-models/get-latest-versions`; no stages means every stage."""

    name: Required
    stages: list[str] = []


class GetLatestVersionsResponse(Struct, omit_defaults=True):
    """Answer of `registered-models/get-latest-versions`."""

    model_versions: list[ModelVersion] = []


class SetRegisteredModelTag(Struct):
    """Request of `registered-models/set-tag`."""

    name: Required
    key: Required
    value: str = ""


class DeleteRegisteredModelTag(Struct):
    """Request of `registered-models/delete-tag`."""

    name: Required
    key: Required


class SetAlias(Struct):
    """Request of `POST registered-models/alias`."""

    name: Required
    alias: Required
    version: Required


class DeleteAlias(Struct):
    """Request of `DELETE registered-models/alias`."""

    name: Required
    alias: Required


class GetByAlias(Struct):
    """Request of `GET registered-models/alias`."""

    name: Required
    alias: Required
