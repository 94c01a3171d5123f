"""Endpoints of traces' numbers: metrics, which the web UI draws charts of, and correlations."""

from typing import Any, Final

from tandem_metadata.access.trace_search_rules import TRACES_CORRELATED, TRACES_COUNTED
from tandem_metadata.database import Connection
from tandem_metadata.messages import trace_metrics as messages
from tandem_metadata.routes.endpoint import READ, Endpoint
from tandem_metadata.store.traces import correlation
from tandem_metadata.store.traces.metrics import answer


def query(
    conn: Connection, request: messages.QueryTraceMetrics
) -> messages.QueryTraceMetricsResponse:
    """Numbers of the traces, spans or assessments of some experiments."""
    return messages.QueryTraceMetricsResponse(answer.query(conn, request))


def correlate(
    conn: Connection, request: messages.CorrelateFilters
) -> messages.CorrelateFiltersResponse:
    """How often traces match two filters together."""
    counts = correlation.count(
        conn,
        request.experiment_ids,
        request.filter_string1,
        request.filter_string2,
        request.base_filter,
    )
    return messages.CorrelateFiltersResponse(
        counts.first, counts.second, counts.joint, counts.total, *correlation.npmi(counts)
    )


ENDPOINTS: Final[list[Endpoint[Any]]] = [
    Endpoint(
        "POST",
        "3.0/mlflow/traces/metrics",
        messages.QueryTraceMetrics,
        READ,
        query,
        TRACES_COUNTED,
    ),
    Endpoint(
        "POST",
        "3.0/mlflow/traces/calculate-filter-correlation",
        messages.CorrelateFilters,
        READ,
        correlate,
        TRACES_CORRELATED,
    ),
]
