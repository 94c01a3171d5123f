"""Messages of experiments and their tags."""

from msgspec import Struct

from tandem_metadata.messages.key_value import KeyValue
from tandem_shared.wire.codec import Int64, Required

EnumValue = str | int
"""A protobuf enum in a request: its name or its number."""


class ExperimentTag(KeyValue):
    """A tag of an experiment."""


class Experiment(Struct, omit_defaults=True):
    """An experiment in an answer; times count milliseconds since 1970."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    workspace: str
    last_update_time: int | None = None
    creation_time: int | None = None
    tags: list[ExperimentTag] = []


class CreateExperiment(Struct):
    """Request of `experiments/create`."""

    name: Required
    artifact_location: str = ""
    tags: list[ExperimentTag] = []


class CreateExperimentResponse(Struct):
    """Answer of `experiments/create`."""

    experiment_id: str


class GetExperiment(Struct):
    """Request of `experiments/get`."""

    experiment_id: Required


class GetExperimentResponse(Struct):
    """Answer of `experiments/get` and `experiments/get-by-name`."""

    experiment: Experiment


class GetExperimentByName(Struct):
    """Request of `experiments/get-by-name`."""

    experiment_name: Required


class SearchExperiments(Struct):
    """Request of `experiments/search`."""

    max_results: Int64 | None = None
    page_token: str | None = None
    filter: str | None = None
    order_by: list[str] = []
    view_type: EnumValue | None = None


class SearchExperimentsResponse(Struct, omit_defaults=True):
    """Answer of `experiments/search`."""

    experiments: list[Experiment] = []
    next_page_token: str | None = None


class UpdateExperiment(Struct):
    """Request of `experiments/update`, which renames."""

    experiment_id: Required
    new_name: Required


class DeleteExperiment(Struct):
    """Request of `experiments/delete`."""

    experiment_id: Required


class RestoreExperiment(Struct):
    """Request of `experiments/restore`."""

    experiment_id: Required


class SetExperimentTag(Struct):
    """Request of `experiments/set-experiment-tag`."""

    experiment_id: Required
    key: Required
    value: str = ""


class DeleteExperimentTag(Struct):
    """Request of `experiments/delete-experiment-tag`."""

    experiment_id: Required
    key: Required
