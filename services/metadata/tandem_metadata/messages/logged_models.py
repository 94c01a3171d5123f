"""Messages of logged models."""

from msgspec import Struct

from tandem_metadata.messages.experiments import EnumValue
from tandem_metadata.messages.key_value import KeyValue
from tandem_shared.wire.codec import Int32, Required


class LoggedModelTag(KeyValue):
    """A tag of a logged model."""


class LoggedModelParameter(KeyValue):
    """A param of a logged model."""


class LoggedModelInfo(Struct, omit_defaults=True):
    """The attributes and tags of a logged model; times are milliseconds since 1970."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str | None = None
    source_run_id: str | None = None
    status_message: str | None = None
    tags: list[LoggedModelTag] = []


class LoggedModelMetric(Struct, omit_defaults=True):
    """A metric of a logged model; `value` is "NaN" for NaN, `timestamp` counts milliseconds."""

    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str
    run_id: str
    dataset_name: str | None = None
    dataset_digest: str | None = None


class LoggedModelData(Struct, omit_defaults=True):
    """The params and metrics of a logged model."""

    params: list[LoggedModelParameter] = []
    metrics: list[LoggedModelMetric] = []


class LoggedModel(Struct):
    """A logged model in an answer."""

    info: LoggedModelInfo
    data: LoggedModelData


class LoggedModelResponse(Struct):
    """The answer of requests that create, read or finalize a logged model."""

    model: LoggedModel


class CreateLoggedModel(Struct):
    """Request of `logged-models`."""

    experiment_id: Required
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[LoggedModelParameter] = []
    tags: list[LoggedModelTag] = []


class GetLoggedModel(Struct):
    """Request to read `logged-models/{model_id}`."""

    model_id: Required
    allow_deleted: str = ""
    """"true" in any case; any other value counts as false, as in MLflow."""


class FinalizeLoggedModel(Struct):
    """Request to change `logged-models/{model_id}`: sets the status after its upload."""

    status: EnumValue
    model_id: str = ""


class DeleteLoggedModel(Struct):
    """Request to delete `logged-models/{model_id}`."""

    model_id: str = ""


class SetLoggedModelTags(Struct):
    """Request of `logged-models/{model_id}/tags`; the last value of a repeated key counts."""

    model_id: str = ""
    tags: list[LoggedModelTag] = []


class DeleteLoggedModelTag(Struct):
    """Request to delete `logged-models/{model_id}/tags/{tag_key}`."""

    model_id: str = ""
    tag_key: str = ""


class LogLoggedModelParams(Struct):
    """Request of `logged-models/{model_id}/params`."""

    model_id: str = ""
    params: list[LoggedModelParameter] = []


class SearchOrderBy(Struct):
    """A sort criterion of `logged-models/search`: an attribute, or `metrics.<key>`.

    If a dataset is given, only a metric's values logged with it count.
    """

    field_name: Required
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchDataset(Struct):
    """A dataset that restricts a search's metrics; without a digest, any dataset of that name."""

    dataset_name: Required
    dataset_digest: str | None = None


class SearchLoggedModels(Struct):
    """Request of `logged-models/search`."""

    experiment_ids: list[str]
    filter: str | None = None
    datasets: list[SearchDataset] = []
    max_results: Int32 | None = None
    order_by: list[SearchOrderBy] = []
    page_token: str | None = None


class SearchLoggedModelsResponse(Struct, omit_defaults=True):
    """Answer of `logged-models/search`."""

    models: list[LoggedModel] = []
    next_page_token: str | None = None
