"""Endpoints that read the attributes of traces; `trace_spans` has those that read spans."""

from collections.abc import Collection
from typing import Any, Final

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import traces as messages
from tandem_metadata.messages.traces import TraceInfo
from tandem_metadata.routes.endpoint import READ, Context, Endpoint
from tandem_metadata.rules import permissions
from tandem_metadata.rules.limits import check_count
from tandem_metadata.rules.permissions import Action, Readable
from tandem_metadata.store.traces import load
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import missing_value
from tandem_shared.wire import codec

MOST: Final = 10_000
"""Traces of one request."""


async def get(context: Context, request: messages.GetTraceInfo) -> messages.TraceResponse:
    """Read a trace without its spans."""
    info = await context.read(load.info, request.trace_id)
    context.withhold([info])
    return messages.TraceResponse(messages.Trace(info))


async def get_old(
    context: Context, request: messages.GetOldTraceInfo
) -> messages.OldTraceInfoResponse:
    """Read a trace in the form of version 2."""
    info = await context.read(load.old_info, request.request_id)
    context.withhold([info])
    return messages.OldTraceInfoResponse(info)


async def batch_get_infos(context: Context, request: messages.BatchGetTraceInfos) -> bytes:
    """Read several traces without their spans."""
    readable = await context.readable(permissions.EXPERIMENT, permissions.TRACE)

    def read(conn: Connection) -> bytes:
        found = readable_infos(conn, request.trace_ids, request.experiment_ids, readable)
        context.withhold(found)
        return codec.encode_json(messages.BatchGetTraceInfosResponse(found))

    return await context.read(read)


def readable_infos(
    conn: Connection,
    trace_ids: Collection[str] | None,
    experiment_ids: Collection[str] | None,
    readable: Readable | None,
) -> list[TraceInfo]:
    """The traces of these experiments, or of all, that exist and are readable.

    Raises InvalidParameter for no ids, for too many, and for experiments that are no numbers.
    """
    if trace_ids is None:
        raise missing_value("trace_ids", "give the ids of the traces to read")
    check_count("trace_ids", trace_ids, MOST)
    found = load.infos(conn, trace_ids)
    if experiment_ids is not None:
        among = {str(each) for each in experiments.possible_ids(conn, [*experiment_ids])}
        found = [each for each in found if each.experiment_id in among]
    if readable is not None:
        found = [each for each in found if each.experiment_id in readable]
    return found


_TRACE: Final = rules.trace(Action.READ)

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("GET", "3.0/mlflow/traces/{trace_id}", messages.GetTraceInfo, READ, get, _TRACE),
    Endpoint(
        "GET",
        "2.0/mlflow/traces/{request_id}/info",
        messages.GetOldTraceInfo,
        READ,
        get_old,
        _TRACE,
    ),
    Endpoint(
        "POST",
        "3.0/mlflow/traces/batchGetInfos",
        messages.BatchGetTraceInfos,
        READ,
        batch_get_infos,
        rules.LISTED,
    ),
]
