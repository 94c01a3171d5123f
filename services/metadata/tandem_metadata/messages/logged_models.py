"""Messages of logged models."""

from msgspec import Struct

from tandem_shared.wire import Int32, Required


class LoggedModelTag(Struct):
    """A tag of a logged model."""

    key: str
    value: str


class LoggedModelParameter(Struct):
    """A param of a logged model."""

    key: str
    value: str


class LoggedModelInfo(Struct, omit_defaults=True):
    """What a logged model is; times count milliseconds since 1970."""

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
    """What was logged to a logged model."""

    params: list[LoggedModelParameter] = []
    metrics: list[LoggedModelMetric] = []


class LoggedModel(Struct):
    """A logged model in an answer."""

    info: LoggedModelInfo
    data: LoggedModelData


class GetLoggedModel(Struct):
    """Request of `logged-models/{model_id}`."""

    model_id: Required


class GetLoggedModelResponse(Struct):
    """Answer of `logged-models/{model_id}`."""

    model: LoggedModel


class SearchOrderBy(Struct):
    """A sort criterion of `logged-models/search`."""

    field_name: Required
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchDataset(Struct):
    """A dataset to whose metrics `logged-models/search` looks."""

    dataset_name: Required
    dataset_digest: str | None = None


class SearchLoggedModels(Struct):
    """Request of `logged-models/search`."""

    experiment_ids: list[str] = []
    filter: str | None = None
    datasets: list[SearchDataset] = []
    max_results: Int32 | None = None
    order_by: list[SearchOrderBy] = []
    page_token: str | None = None


class SearchLoggedModelsResponse(Struct, omit_defaults=True):
    """Answer of `logged-models/search`."""

    models: list[LoggedModel] = []
    next_page_token: str | None = None
