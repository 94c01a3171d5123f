"""Messages of metrics of traces."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

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


class CorrelateFilters(Struct):
    """Request of `traces/calculate-filter-correlation`."""

    experiment_ids: list[str]
    filter_string1: Required
    filter_string2: Required
    base_filter: str | None = None


class CorrelateFiltersResponse(Struct):
    """Answer of `traces/calculate-filter-correlation`; counts of traces."""

    filter1_count: int
    filter2_count: int
    joint_count: int
    total_count: int
    npmi: float | UnsetType = UNSET
    """Normalized pointwise mutual information, from -1 to 1; unset where nothing tells."""
    npmi_smoothed: float | UnsetType = UNSET
    """The same with half a trace more of each kind, for few traces."""
