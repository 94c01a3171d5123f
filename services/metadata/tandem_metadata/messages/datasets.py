"""Messages of datasets and logged models as inputs and outputs of runs."""

from msgspec import Struct

from tandem_shared.wire.codec import Int64, Required


class InputTag(Struct):
    """A tag of the use of a dataset by a run."""

    key: Required
    value: str


class Dataset(Struct, omit_defaults=True):
    """A dataset, in requests and answers alike."""

    name: Required
    digest: Required
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Struct, omit_defaults=True):
    """The use of a dataset by a run."""

    dataset: Dataset
    tags: list[InputTag] = []


class ModelInput(Struct):
    """A logged model that a run reads."""

    model_id: Required


class ModelOutput(Struct):
    """A logged model that a run wrote at `step`."""

    model_id: Required
    step: Int64


class RunInputs(Struct, omit_defaults=True):
    """The inputs of a run."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[ModelInput] = []


class RunOutputs(Struct, omit_defaults=True):
    """The outputs of a run."""

    model_outputs: list[ModelOutput] = []


class LogInputs(Struct):
    """Request of `runs/log-inputs`."""

    run_id: Required
    datasets: list[DatasetInput] | None = None
    models: list[ModelInput] | None = None


class LogOutputs(Struct):
    """Request of `runs/outputs`."""

    run_id: Required
    models: list[ModelOutput]


class SearchDatasets(Struct):
    """Request of `experiments/search-datasets`, which the web UI sends."""

    experiment_ids: list[str] = []


class DatasetSummary(Struct, omit_defaults=True):
    """A dataset of an experiment and one context in which its runs use it."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class SearchDatasetsResponse(Struct, omit_defaults=True):
    """Answer of `experiments/search-datasets`."""

    dataset_summaries: list[DatasetSummary] = []
