"""Messages of model versions and their tags."""

from msgspec import Struct

from tandem_metadata.messages.key_value import KeyValue
from tandem_shared.wire.codec import Required


class ModelVersionTag(KeyValue):
    """A tag of a model version."""


class ModelVersion(Struct, omit_defaults=True):
    """A version of a registered model in an answer; times count milliseconds since 1970.

    MLflow's protocol also has the logged model's id, params and metrics, which it never fills.
    """

    name: str
    version: str
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    user_id: str | None = None
    current_stage: str | None = None
    description: str | None = None
    source: str | None = None
    run_id: str | None = None
    status: str | None = None
    status_message: str | None = None
    tags: list[ModelVersionTag] = []
    run_link: str | None = None
    aliases: list[str] = []


class ModelVersionResponse(Struct):
    """Answer of the requests that read or change one model version."""

    model_version: ModelVersion


class CreateModelVersion(Struct):
    """Request of `model-versions/create`."""

    name: Required
    source: Required
    run_id: str | None = None
    tags: list[ModelVersionTag] = []
    run_link: str = ""
    description: str = ""
    model_id: str | None = None


class GetModelVersion(Struct):
    """Request of `model-versions/get`."""

    name: Required
    version: Required


class UpdateModelVersion(Struct):
    """Request of `model-versions/update`; without a description the old one is removed."""

    name: Required
    version: Required
    description: str | None = None


class DeleteModelVersion(Struct):
    """Request of `model-versions/delete`."""

    name: Required
    version: Required


class GetDownloadUri(Struct):
    """Request of `model-versions/get-download-uri`."""

    name: Required
    version: Required


class GetDownloadUriResponse(Struct, omit_defaults=True):
    """Answer of `model-versions/get-download-uri`."""

    artifact_uri: str | None = None


class TransitionStage(Struct):
    """Request of `model-versions/transition-stage`."""

    name: Required
    version: Required
    stage: Required
    archive_existing_versions: bool = False


class SetModelVersionTag(Struct):
    """Request of `model-versions/set-tag`."""

    name: Required
    version: Required
    key: Required
    value: str = ""


class DeleteModelVersionTag(Struct):
    """Request of `model-versions/delete-tag`."""

    name: Required
    version: Required
    key: Required
