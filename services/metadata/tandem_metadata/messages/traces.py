"""Messages of traces: their attributes in the form of version 3, and in that of old clients."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tandem_metadata.messages.assessments import Assessment
from tandem_metadata.messages.key_value import KeyValue
from tandem_shared.wire.codec import Required

IN_EXPERIMENT: Final = "MLFLOW_EXPERIMENT"
"""The type of the location of a trace that lies in an experiment; others are not MLflow's own."""

NAME: Final = "mlflow.traceName"
ARTIFACT_LOCATION: Final = "mlflow.artifactLocation"
SPANS_LOCATION: Final = "mlflow.trace.spansLocation"
"""Tags: a trace's name, where its files are, and where its spans are."""

IN_DATABASE: Final = "TRACKING_STORE"
IN_ARCHIVE: Final = "ARCHIVE_REPO"
"""Values of `SPANS_LOCATION`; without one the spans are in the file `SPANS_FILE`."""

SPANS_FILE: Final = "traces.json"
"""The file among a trace's artifacts in which clients keep spans that no server has taken."""

SESSION: Final = "mlflow.trace.session"
TOKEN_USAGE: Final = "mlflow.trace.tokenUsage"
COST: Final = "mlflow.trace.cost"
SIZE_STATS: Final = "mlflow.trace.sizeStats"
"""Metadata: the session; tokens, costs and sizes as JSON."""

_OLD_STATES: Final = {"STATE_UNSPECIFIED": "TRACE_STATUS_UNSPECIFIED"}


class ExperimentLocation(Struct):
    """The experiment that a trace lies in."""

    experiment_id: str = ""


class TraceLocation(Struct):
    """Where a trace lies."""

    mlflow_experiment: ExperimentLocation
    type: str = IN_EXPERIMENT


class TraceInfo(Struct, omit_defaults=True):
    """The attributes of a trace in an answer, with its tags, metadata and assessments."""

    trace_id: str
    trace_location: TraceLocation
    request_time: str
    state: str
    execution_duration: str | None = None
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    trace_metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    assessments: list[Assessment] = []

    @property
    def experiment_id(self) -> str:
        """The experiment that it lies in."""
        return self.trace_location.mlflow_experiment.experiment_id


class Trace(Struct, omit_defaults=True):
    """A trace in an answer that has no spans."""

    trace_info: TraceInfo


class TraceResponse(Struct):
    """Answer of requests that start or read a trace."""

    trace: Trace


class GetTraceInfo(Struct):
    """Request of `traces/{trace_id}`."""

    trace_id: Required


class SomeSpans(Struct, kw_only=True):
    """Which spans of a trace a query asks for. MLflow has no such parameters, and gives all."""

    max_spans: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    """At most so many, and the spans above them; None is all."""
    skip_spans: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    """How many come before them, in the order of answers; counts with `max_spans`."""


class GetTrace(SomeSpans, kw_only=True):
    """Query of `traces/get`."""

    trace_id: Required
    allow_partial: bool = False
    """Whether spans that are still on their way may be missing."""


class BatchGetTraces(Struct):
    """Query of `traces/batchGet`."""

    trace_ids: list[str] | None = None
    experiment_ids: list[str] | None = None
    """Only traces of these; None is all experiments."""


class BatchGetTraceInfos(Struct):
    """Request of `traces/batchGetInfos`; fields as those of `BatchGetTraces`."""

    trace_ids: list[str] | None = None
    experiment_ids: list[str] | None = None


class BatchGetTraceInfosResponse(Struct, omit_defaults=True):
    """Answer of `traces/batchGetInfos`."""

    trace_infos: list[TraceInfo] = []


class GetTraceArtifact(SomeSpans, kw_only=True):
    """Query of `get-trace-artifact`."""

    request_id: str = ""
    path: str | None = None
    """An attachment; None is the spans."""


class OldTraceInfo(Struct, omit_defaults=True):
    """The attributes of a trace as version 2 has them, for clients up to MLflow 3.1."""

    request_id: str
    experiment_id: str
    timestamp_ms: int
    execution_time_ms: int
    status: str
    request_metadata: list[KeyValue] = []
    tags: list[KeyValue] = []


class OldTraceInfoResponse(Struct):
    """Answer of requests of version 2 that start, end or read a trace."""

    trace_info: OldTraceInfo


class GetOldTraceInfo(Struct):
    """Request of version 2 for `traces/{request_id}/info`."""

    request_id: Required


def old_state(state: str) -> str:
    """The state of a trace as version 2 calls it."""
    return _OLD_STATES.get(state, state)
