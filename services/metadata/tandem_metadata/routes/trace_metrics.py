"""The endpoint of traces' metrics, which the web UI draws charts of."""

from typing import Any, Final

from tandem_metadata.access.trace_search_rules import TRACES_COUNTED
from tandem_metadata.database import Connection
from tandem_metadata.messages import trace_metrics as messages
from tandem_metadata.routes.endpoint import READ, Endpoint
from tandem_metadata.store.traces.metrics import answer


def query(
    conn: Connection, request: messages.QueryTraceMetrics
) -> messages.QueryTraceMetricsResponse:
    """Numbers of the traces, spans or assessments of some experiments."""
    return messages.QueryTraceMetricsResponse(answer.query(conn, request))


ENDPOINTS: Final[list[Endpoint[Any]]] = [
    Endpoint(
        "POST",
        "3.0/mlflow/traces/metrics",
        messages.QueryTraceMetrics,
        READ,
        query,
        TRACES_COUNTED,
    ),
]
