"""Endpoints of metrics."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages.metrics import (
    GetMetricHistory,
    GetMetricHistoryBulk,
    GetMetricHistoryBulkInterval,
    GetMetricHistoryBulkIntervalResponse,
    GetMetricHistoryBulkResponse,
    LogMetric,
)
from tandem_metadata.routes.endpoint import READ, WRITE, Context, Endpoint
from tandem_metadata.routes.runs import run_id_of
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.tracking import log_entry, metric_history
from tandem_shared.wire import codec


async def log(context: Context, request: LogMetric) -> None:
    """Log a metric."""
    run_id = run_id_of(request.run_id, request.run_uuid)
    await context.writer.log(log_entry.metric(run_id, request))


def get_history(conn: Connection, request: GetMetricHistory) -> bytes:
    """Read the values of a metric of one run, by pages."""
    run_id = run_id_of(request.run_id, request.run_uuid)
    values, token = metric_history.page(
        conn, run_id, request.metric_key, request.max_results, request.page_token
    )
    parts = [b'"metrics":[' + values + b"]"] if values else []
    if token:
        parts.append(b'"next_page_token":' + codec.encode_json(token))
    return b"{" + b",".join(parts) + b"}"


def get_history_bulk(
    conn: Connection, request: GetMetricHistoryBulk
) -> GetMetricHistoryBulkResponse:
    """Read the values of a metric of several runs."""
    values = metric_history.bulk(conn, request.run_id, request.metric_key, request.max_results)
    return GetMetricHistoryBulkResponse(values)


def get_history_bulk_interval(
    conn: Connection, request: GetMetricHistoryBulkInterval
) -> GetMetricHistoryBulkIntervalResponse:
    """Read a sample of the values of a metric of several runs, for a chart."""
    steps = (request.start_step, request.end_step)
    values = metric_history.sample(
        conn, request.run_ids, request.metric_key, steps, request.max_results
    )
    return GetMetricHistoryBulkIntervalResponse(values)


_HISTORY = "2.0/mlflow/metrics/get-history"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        "2.0/mlflow/runs/log-metric",
        LogMetric,
        WRITE,
        log,
        rules.logging(lambda message: [message.model_id]),
    ),
    Endpoint("GET", _HISTORY, GetMetricHistory, READ, get_history, rules.run(Action.READ)),
    Endpoint(
        "GET",
        f"{_HISTORY}-bulk",
        GetMetricHistoryBulk,
        READ,
        get_history_bulk,
        rules.runs(lambda message: message.run_id),
    ),
    *(
        # MLflow's contract has it at 2.11, while its server and web UI use 2.0.
        Endpoint(
            "GET",
            f"{version}/mlflow/metrics/get-history-bulk-interval",
            GetMetricHistoryBulkInterval,
            READ,
            get_history_bulk_interval,
            rules.runs(lambda message: message.run_ids),
        )
        for version in ("2.0", "2.11")
    ),
]
