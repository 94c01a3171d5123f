"""Messages of the searches of registered models and of model versions."""

from msgspec import Struct

from tandem_metadata.messages.model_versions import ModelVersion
from tandem_metadata.messages.registered_models import RegisteredModel
from tandem_shared.wire.codec import Int64


class SearchRegistry(Struct):
    """Request of `registered-models/search` and `model-versions/search`."""

    filter: str | None = None
    max_results: Int64 | None = None
    order_by: list[str] = []
    page_token: str | None = None


class SearchRegisteredModelsResponse(Struct, omit_defaults=True):
    """Answer of `registered-models/search`."""

    registered_models: list[RegisteredModel] = []
    next_page_token: str | None = None


class SearchModelVersionsResponse(Struct, omit_defaults=True):
    """Answer of `model-versions/search`."""

    model_versions: list[ModelVersion] = []
    next_page_token: str | None = None
