"""Messages of runs and their tags."""

from msgspec import Struct

from tandem_metadata.messages.datasets import RunInputs, RunOutputs
from tandem_metadata.messages.experiments import EnumValue
from tandem_metadata.messages.key_value import KeyValue
from tandem_metadata.messages.metrics import Metric
from tandem_shared.wire.codec import Int32, Int64, Required


class Param(KeyValue):
    """A param."""


class RunTag(KeyValue):
    """A tag of a run."""


class RunInfo(Struct, omit_defaults=True, gc=False):
    """The attributes of a run, without logged data; times are milliseconds since 1970.

    `run_uuid` repeats `run_id` for old clients.
    """

    run_id: str
    run_uuid: str
    experiment_id: str
    status: str
    lifecycle_stage: str
    run_name: str | None = None
    user_id: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    artifact_uri: str | None = None


class RunData(Struct, omit_defaults=True):
    """The latest metrics, the params and the tags of a run."""

    metrics: list[Metric] = []
    params: list[Param] = []
    tags: list[RunTag] = []


class Run(Struct, omit_defaults=True):
    """A run in an answer."""

    info: RunInfo
    data: RunData
    inputs: RunInputs
    outputs: RunOutputs | None = None


class CreateRun(Struct):
    """Request of `runs/create`."""

    experiment_id: Required
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 = 0
    tags: list[RunTag] = []


class CreateRunResponse(Struct):
    """Answer of `runs/create`."""

    run: Run


class GetRun(Struct):
    """Request of `runs/get`; older clients name the run by `run_uuid`."""

    run_id: str | None = None
    run_uuid: str | None = None


class UpdateRun(Struct):
    """Request of `runs/update`; fields that are not given stay unchanged."""

    run_id: str | None = None
    run_uuid: str | None = None
    status: EnumValue | None = None
    end_time: Int64 | None = None
    run_name: str | None = None


class UpdateRunResponse(Struct):
    """Answer of `runs/update`."""

    run_info: RunInfo


class DeleteRun(Struct):
    """Request of `runs/delete`."""

    run_id: Required


class RestoreRun(Struct):
    """Request of `runs/restore`."""

    run_id: Required


class SearchRuns(Struct):
    """Request of `runs/search`."""

    experiment_ids: list[str] = []
    filter: str | None = None
    run_view_type: EnumValue | None = None
    max_results: Int32 | None = None
    order_by: list[str] = []
    page_token: str | None = None


class SetTag(Struct):
    """Request of `runs/set-tag`; older clients name the run by `run_uuid`."""

    key: Required
    run_id: str | None = None
    run_uuid: str | None = None
    value: str = ""


class DeleteTag(Struct):
    """Request of `runs/delete-tag`."""

    run_id: Required
    key: Required


class LogModel(Struct):
    """Request of `runs/log-model`: the contents of an `MLmodel` file as JSON."""

    run_id: Required
    model_json: Required
