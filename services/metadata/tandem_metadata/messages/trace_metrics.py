"""Messages of metrics of traces."""

from typing import Any

from msgspec import Struct

from tandem_metadata.messages.experiments import EnumValue
from tandem_shared.wire.codec import Int32, Int64, Required


class Aggregation(Struct):
    """How the values of a point become one number."""

    aggregation_type: EnumValue
    percentile_value: float | None = None
    """From 0 to 100, of a PERCENTILE."""


class QueryTraceMetrics(Struct):
    """Request of `traces/metrics`."""

    experiment_ids: list[str]
    view_type: EnumValue
    metric_name: Required
    aggregations: list[Aggregation]
    dimensions: list[str] = []
    filters: list[str] = []
    time_interval_seconds: Int64 | None = None
    start_time_ms: Int64 | None = None
    end_time_ms: Int64 | None = None
    max_results: Int32 | None = None


class MetricDataPoint(Struct, omit_defaults=True):
    """The numbers of what has the same dimensions."""

    metric_name: str
    values: dict[str, Any]
    """Doubles, as protobuf's JSON mapping has them, by the names of aggregations."""
    dimensions: dict[str, str] = {}


class QueryTraceMetricsResponse(Struct, omit_defaults=True):
    """Answer of `traces/metrics`."""

    data_points: list[MetricDataPoint] = []
