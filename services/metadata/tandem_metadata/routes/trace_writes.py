"""Endpoints that start, end, change and delete traces; `otlp` takes their spans."""

import asyncio
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import rules, writable
from tandem_metadata.access.assessment_rules import START_TRACE
from tandem_metadata.database import Connection
from tandem_metadata.messages import times
from tandem_metadata.messages import trace_writes as messages
from tandem_metadata.messages.assessments import GivenAssessment
from tandem_metadata.messages.traces import (
    IN_DATABASE,
    IN_EXPERIMENT,
    SPANS_LOCATION,
    OldTraceInfoResponse,
    Trace,
    TraceResponse,
)
from tandem_metadata.routes.endpoint import MANY_BYTES, WRITE, Context, Endpoint, decode
from tandem_metadata.rules import enums, limits, permissions
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.traces import assessment_rows, deletion, links, spans, tags, told
from tandem_metadata.store.traces.assessment_rows import NewAssessment
from tandem_metadata.store.traces.changes import EndTrace, StartTrace
from tandem_metadata.store.tracking import experiments
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidParameter, NotFound, invalid_value, missing_value
from tandem_shared.http.exchange import request_header
from tandem_shared.http.router import Route, api_routes, json_response
from tandem_shared.wire import codec

_INFO: Final = "trace.trace_info"
_SENDS_SPANS: Final = (3, 6)
"""The first client that was seen to read no spans back that it has uploaded."""
_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})")

WAIT_SECONDS: Final = 1.0
"""How long the answer to a start waits for spans, which its client sends by other connections."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.2

LINKED: Final = 100
"""Traces that a request can link."""


def routes(context: Context) -> list[Route]:
    """`traces`, whose answer depends on the client's version."""
    limit = min(context.settings.max_body_bytes, MANY_BYTES)

    async def start(request: Request) -> Response:
        message = await decode(request, messages.StartTrace, limit)
        given = _start(message)
        await context.check(request, START_TRACE, message)
        info: Any = await context.trace_writer.start(given)
        # Clients upload spans that are nowhere. Those on their way need not be, while those that a
        # client has failed to send are nowhere else.
        version = request_header(request.scope, b"x-mlflow-client-version")
        sends = SPANS_LOCATION not in info.tags and _takes_spans(version)
        if sends and await _spans_come(context, info.trace_id):
            info.tags[SPANS_LOCATION] = IN_DATABASE
        context.withhold([info])
        return json_response(codec.encode_json(TraceResponse(Trace(info))))

    return api_routes("POST", "3.0/mlflow/traces", start, START_TRACE)


def _takes_spans(version: str) -> bool:
    found = _VERSION.match(version)
    return found is not None and (int(found[1]), int(found[2])) >= _SENDS_SPANS


async def _spans_come(context: Context, trace_id: str) -> bool:
    """Whether the trace has a span within `WAIT_SECONDS`, for which nothing is held meanwhile."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + WAIT_SECONDS
    pause = _FIRST_PAUSE
    while not await context.read(spans.count, trace_id):
        left = deadline - clock()
        if left <= 0:
            return False
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
    return True


def _start(request: messages.StartTrace) -> StartTrace:
    info = request.info
    location = info.trace_location
    if request.trace is None:
        raise missing_value("trace")
    if location is not None and location.type not in ("", IN_EXPERIMENT, 1, "1"):
        raise invalid_value(
            f"{_INFO}.trace_location.type", location.type, f"traces lie in an {IN_EXPERIMENT}"
        )
    if not request.experiment_id:
        raise missing_value(f"{_INFO}.trace_location.mlflow_experiment.experiment_id")
    told.check_trace_id(info.trace_id)
    time, duration = info.request_time, info.execution_duration
    state = "STATE_UNSPECIFIED" if info.state is None else info.state
    return StartTrace(
        info.trace_id,
        request.experiment_id,
        None if time is None else times.time_ms(time, f"{_INFO}.request_time"),
        None if duration is None else times.duration_ms(duration, f"{_INFO}.execution_duration"),
        enums.name_of(f"{_INFO}.state", state, enums.TRACE_STATE),
        told.told(info.trace_metadata, info.tags),
        client_request_id=told.client_request_id(info.client_request_id),
        request_preview=told.preview(info.request_preview),
        response_preview=told.preview(info.response_preview),
        assessments=_assessments(info.assessments),
        may_write=writable.experiments(permissions.TRACE),
    )


def _assessments(given: Sequence[GivenAssessment]) -> list[NewAssessment]:
    field = f"{_INFO}.assessments"
    limits.check_count(field, given)
    now = now_ms()
    return [
        assessment_rows.new(assessment_rows.shortened(each), now, f"{field}[{index}]")
        for index, each in enumerate(given)
    ]


async def start_old(context: Context, request: messages.StartOldTrace) -> OldTraceInfoResponse:
    """Start a trace of an old client, who is told its id."""
    info: Any = await context.trace_writer.start(
        StartTrace(
            uuid.uuid4().hex,
            request.experiment_id,
            now_ms() if request.timestamp_ms is None else request.timestamp_ms,
            None,
            "IN_PROGRESS",
            _told(request.request_metadata, request.tags),
            old=True,
        )
    )
    context.withhold([info])
    return OldTraceInfoResponse(info)


async def end_old(context: Context, request: messages.EndOldTrace) -> OldTraceInfoResponse:
    """End a trace of an old client, or one whose root was lost."""
    status = 0 if request.status is None else request.status
    state = enums.name_of("status", status, enums.OLD_TRACE_STATUS)
    info = await context.trace_writer.end(
        EndTrace(
            request.request_id,
            now_ms() if request.timestamp_ms is None else request.timestamp_ms,
            "STATE_UNSPECIFIED" if state == enums.OLD_TRACE_STATUS[0] else state,
            _told(request.request_metadata, request.tags),
        )
    )
    context.withhold([info])
    return OldTraceInfoResponse(info)


def _told(metadata: Sequence[messages.NamedValue], given: Sequence[messages.NamedValue]) -> Any:
    return told.told(_mapping(metadata), _mapping(given))


def _mapping(pairs: Sequence[messages.NamedValue]) -> Mapping[str, str]:
    return {pair.key: pair.value for pair in pairs}


def set_tag(conn: Connection, request: messages.SetTraceTag) -> None:
    """Set a tag of a trace."""
    tags.put(conn, request.trace_id, request.key, request.value)


def set_old_tag(conn: Connection, request: messages.SetOldTraceTag) -> None:
    """The same."""
    tags.put(conn, request.request_id, request.key, request.value)


def delete_tag(conn: Connection, request: messages.DeleteTraceTag) -> None:
    """Delete a tag of a trace."""
    tags.remove(conn, request.trace_id, request.key)


def delete_old_tag(conn: Connection, request: messages.DeleteOldTraceTag) -> None:
    """The same."""
    tags.remove(conn, request.request_id, request.key)


async def delete(context: Context, request: messages.DeleteTraces) -> messages.DeleteTracesResponse:
    """Delete traces of an experiment, some in each transaction."""
    by_time, ids = request.max_timestamp_millis, request.request_ids
    if (by_time is None) == (not ids):
        raise InvalidParameter(
            "Either 'max_timestamp_millis' or 'request_ids' must be given, and not both."
        )
    most = request.max_traces
    if most is not None and (ids or most < 1):
        raise invalid_value(
            "max_traces", most, "it must be positive, and goes with 'max_timestamp_millis' only"
        )
    try:
        number = await context.read(experiments.parse_id, request.experiment_id)
    except NotFound:
        return messages.DeleteTracesResponse(0)
    deleted = 0
    left = [*dict.fromkeys(ids or ())]
    while True:
        if by_time is not None:
            count = deletion.MANY if most is None else min(deletion.MANY, most - deleted)
            some = await context.read(deletion.older, number, by_time, count) if count else []
        else:
            some, left = left[: deletion.MANY], left[deletion.MANY :]
        if not some:
            return messages.DeleteTracesResponse(deleted)
        deleted += await context.retried_write(deletion.delete_traces, number, some)


def link_to_run(conn: Connection, request: messages.LinkTracesToRun) -> None:
    """Link traces to a run."""
    limits.check_count("trace_ids", request.trace_ids, LINKED)
    limits.check_length("run_id", request.run_id, links.LENGTH)
    for each in request.trace_ids:
        limits.check_length("trace_ids", each, links.LENGTH)
    links.link(conn, links.RUN, ((each, request.run_id) for each in request.trace_ids))


def link_prompts(conn: Connection, request: messages.LinkPrompts) -> None:
    """Link a trace to versions of prompts."""
    limits.check_count("prompt_versions", request.prompt_versions, LINKED)
    versions = []
    for each in request.prompt_versions:
        if not each.version.isdecimal():
            raise invalid_value("prompt_versions.version", each.version, "it must be a number")
        versions.append(version := f"{each.name}/{each.version}")
        if len(version) > links.LENGTH:
            raise invalid_value(
                "prompt_versions",
                version,
                f"a link holds at most {links.LENGTH} characters of name and version",
            )
    tags.lock(conn, request.trace_id)
    links.link(conn, links.PROMPT_VERSION, ((request.trace_id, each) for each in versions))


_NEW: Final = rules.new_in_experiment(permissions.TRACE)
_UPDATE: Final = rules.trace(Action.UPDATE)
_V2: Final = "2.0/mlflow/traces"
_V3: Final = "3.0/mlflow/traces"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", _V2, messages.StartOldTrace, WRITE, start_old, _NEW, MANY_BYTES),
    Endpoint(
        "PATCH",
        f"{_V2}/{{request_id}}",
        messages.EndOldTrace,
        WRITE,
        end_old,
        _UPDATE,
        MANY_BYTES,
    ),
    Endpoint("PATCH", f"{_V3}/{{trace_id}}/tags", messages.SetTraceTag, WRITE, set_tag, _UPDATE),
    Endpoint(
        "PATCH", f"{_V2}/{{request_id}}/tags", messages.SetOldTraceTag, WRITE, set_old_tag, _UPDATE
    ),
    Endpoint(
        "DELETE", f"{_V3}/{{trace_id}}/tags", messages.DeleteTraceTag, WRITE, delete_tag, _UPDATE
    ),
    Endpoint(
        "DELETE",
        f"{_V2}/{{request_id}}/tags",
        messages.DeleteOldTraceTag,
        WRITE,
        delete_old_tag,
        _UPDATE,
    ),
    *(
        Endpoint(
            "POST",
            f"{version}/delete-traces",
            messages.DeleteTraces,
            WRITE,
            delete,
            rules.DELETED_TRACES,
        )
        for version in (_V2, _V3)
    ),
    Endpoint(
        "POST",
        f"{_V2}/link-to-run",
        messages.LinkTracesToRun,
        WRITE,
        link_to_run,
        rules.LINKED_TRACES,
    ),
    Endpoint("POST", f"{_V2}/link-prompts", messages.LinkPrompts, WRITE, link_prompts, _UPDATE),
]
