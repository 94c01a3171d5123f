"""Messages of requests that start, end, change and delete traces."""

from typing import Any, ClassVar

from msgspec import Struct

from tandem_metadata.messages.assessments import GivenAssessment
from tandem_metadata.messages.experiments import EnumValue
from tandem_shared.wire.codec import Int32, Int64, Required


class GivenLocation(Struct):
    """An experiment, if anything."""

    experiment_id: str = ""


class GivenTraceLocation(Struct):
    """Where a trace lies."""

    type: EnumValue = ""
    mlflow_experiment: GivenLocation | None = None


class GivenTraceInfo(Struct):
    """A trace that starts; times and durations as protobuf's JSON mapping has them."""

    trace_id: str = ""
    client_request_id: str | None = None
    trace_location: GivenTraceLocation | None = None
    request_time: str | None = None
    execution_duration: str | None = None
    state: EnumValue | None = None
    trace_metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    request_preview: str | None = None
    response_preview: str | None = None
    assessments: list[GivenAssessment] = []


class GivenTrace(Struct):
    """A trace that starts; its spans come in other requests."""

    trace_info: GivenTraceInfo | None = None
    spans: list[Any] = []


class StartTrace(Struct):
    """Request of `traces`."""

    REPLACES_UNSTORABLE: ClassVar[bool] = True
    trace: GivenTrace | None = None

    @property
    def info(self) -> GivenTraceInfo:
        """What is told of the trace, be it nothing."""
        return (self.trace and self.trace.trace_info) or GivenTraceInfo()

    @property
    def experiment_id(self) -> str:
        """The experiment in which it starts; empty if none is named."""
        location = self.info.trace_location
        return ((location and location.mlflow_experiment) or GivenLocation()).experiment_id


class NamedValue(Struct, gc=False):
    """A tag, or one of the metadata, whose key must be given."""

    key: Required
    value: str = ""


class StartOldTrace(Struct):
    """Request of version 2 for `traces`."""

    REPLACES_UNSTORABLE: ClassVar[bool] = True
    experiment_id: Required
    timestamp_ms: Int64 | None = None
    request_metadata: list[NamedValue] = []
    tags: list[NamedValue] = []


class EndOldTrace(Struct):
    """Request of version 2 for `traces/{request_id}`."""

    REPLACES_UNSTORABLE: ClassVar[bool] = True
    request_id: str = ""
    timestamp_ms: Int64 | None = None
    status: EnumValue | None = None
    request_metadata: list[NamedValue] = []
    tags: list[NamedValue] = []


class SetTraceTag(Struct):
    """Request that sets a tag of a trace, which the path names."""

    trace_id: str = ""
    key: str = ""
    value: str = ""


class SetOldTraceTag(Struct):
    """The same, of version 2."""

    request_id: str = ""
    key: str = ""
    value: str = ""


class DeleteTraceTag(Struct):
    """Request that deletes a tag of a trace, which the path names."""

    trace_id: str = ""
    key: str = ""


class DeleteOldTraceTag(Struct):
    """The same, of version 2."""

    request_id: str = ""
    key: str = ""


class DeleteTraces(Struct):
    """Request of `traces/delete-traces`: by ids, or by time."""

    experiment_id: Required
    max_timestamp_millis: Int64 | None = None
    max_traces: Int32 | None = None
    request_ids: list[str] | None = None


class DeleteTracesResponse(Struct):
    """Answer of `traces/delete-traces`."""

    traces_deleted: int


class LinkTracesToRun(Struct):
    """Request of `traces/link-to-run`."""

    trace_ids: list[str]
    run_id: Required


class PromptVersion(Struct):
    """A version of a prompt."""

    name: Required
    version: str


class LinkPrompts(Struct):
    """Request of `traces/link-prompts`."""

    trace_id: Required
    prompt_versions: list[PromptVersion]
