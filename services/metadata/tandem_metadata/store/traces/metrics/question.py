"""What is asked for, checked: which aggregations and dimensions each metric has."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.messages.trace_metrics import Aggregation, QueryTraceMetrics
from tandem_metadata.rules import enums
from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.search.language import trace_metric_fields
from tandem_metadata.search.language.fields import Condition, Entity
from tandem_metadata.search.language.limits import check_max_results
from tandem_shared.errors import BadRequest, InvalidParameter, invalid_value

DEFAULT_MAX_RESULTS: Final = 1000
MAX_AGGREGATIONS: Final = 20
MAX_INTERVAL: Final = 100 * 366 * 24 * 3600
"""Seconds. In nanoseconds, twice as much fits 64 bits."""

TRACES, SPANS, ASSESSMENTS = enums.METRIC_VIEW.values()

TIME_BUCKET: Final = "time_bucket"
_LAST_MS: Final = 253_402_300_799_999
"""The last time of the year 9999, after which times have no name."""

_SIZES: Final = ("AVG", "MIN", "MAX", "PERCENTILE")


class Metric(NamedTuple):
    """What can be asked of a metric."""

    aggregations: Collection[str]
    dimensions: Collection[str] = ()


_COUNT: Final = ("COUNT",)
_SUMMED: Final = ("SUM", *_SIZES)
_MODELS: Final = ("span_model_name", "span_model_provider")

METRICS: Final[Mapping[str, Mapping[str, Metric]]] = {
    TRACES: {
        "trace_count": Metric(_COUNT, ("trace_name", "trace_status")),
        "session_count": Metric(_COUNT),
        "latency": Metric(_SIZES, ("trace_name",)),
        **dict.fromkeys(TOKENS[:5], Metric(_SUMMED, ("trace_name",))),
    },
    SPANS: {
        "span_count": Metric(_COUNT, ("span_name", "span_type", "span_status", *_MODELS)),
        "latency": Metric(_SIZES, ("span_name", "span_status")),
        **dict.fromkeys(COSTS, Metric(_SUMMED, _MODELS)),
    },
    ASSESSMENTS: {
        "assessment_count": Metric(_COUNT, ("assessment_name", "assessment_value")),
        "assessment_value": Metric(_SIZES, ("assessment_name",)),
    },
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question, checked."""

    view: str
    metric: str
    aggregations: Mapping[str, tuple[str, float]]
    """By their names in the answer: the type, and the percentile if it is one."""
    dimensions: Sequence[str]
    conditions: Sequence[Condition]
    interval: int | None
    """The milliseconds of a bucket."""
    start: int | None
    end: int | None
    """Milliseconds, both inclusive."""
    max_results: int


def checked(request: QueryTraceMetrics) -> Question:
    """The question of a request; raises InvalidParameter, and BadRequest without aggregations."""
    view = enums.name_of("view_type", request.view_type, enums.METRIC_VIEW)
    metric = METRICS[view].get(request.metric_name)
    if metric is None:
        accepted = ", ".join(METRICS[view])
        reason = f"metric_name must be one of {accepted} for the view {view}"
        raise invalid_value("metric_name", request.metric_name, reason)
    wrong = [each for each in request.dimensions if each not in metric.dimensions]
    if wrong:
        accepted = ", ".join(metric.dimensions) or "none"
        raise InvalidParameter(
            f"Found invalid dimension(s): {', '.join(wrong)[:200]}. "
            f"Supported dimensions of {request.metric_name}: {accepted}."
        )
    return Question(
        view=view,
        metric=request.metric_name,
        aggregations=_aggregations(request, metric),
        dimensions=[*dict.fromkeys(request.dimensions)],
        conditions=_conditions(request, view),
        **_times(request),
        max_results=check_max_results(
            DEFAULT_MAX_RESULTS if request.max_results is None else request.max_results
        ),
    )


def _aggregations(request: QueryTraceMetrics, metric: Metric) -> dict[str, tuple[str, float]]:
    given = request.aggregations
    if not given:
        raise BadRequest(
            "Missing value for required parameter 'aggregations': give some of "
            f"{', '.join(metric.aggregations)}."
        )
    if len(given) > MAX_AGGREGATIONS:
        raise InvalidParameter(
            f"Invalid aggregations: {len(given)} are given, at most {MAX_AGGREGATIONS} are "
            "accepted."
        )
    found: dict[str, tuple[str, float]] = {}
    for each in given:
        kind = enums.name_of("aggregation_type", each.aggregation_type, enums.AGGREGATION)
        if kind not in metric.aggregations:
            raise InvalidParameter(
                f"Found invalid aggregation_type(s): {kind}. Supported aggregation types of "
                f"{request.metric_name}: {', '.join(metric.aggregations)}."
            )
        percentile = _percentile(each, kind)
        found[kind if percentile is None else f"P{percentile}"] = (kind, percentile or 0.0)
    return found


def _percentile(given: Aggregation, kind: str) -> float | None:
    value = given.percentile_value
    if kind != "PERCENTILE":
        if value is not None:
            reason = f"only a PERCENTILE has one, {kind} has none"
            raise invalid_value("percentile_value", value, reason)
        return None
    if value is None:
        raise InvalidParameter(
            "Missing value for required parameter 'percentile_value': a PERCENTILE needs a number "
            "from 0 to 100."
        )
    if not (math.isfinite(value) and 0 <= value <= 100):
        shown = value if math.isfinite(value) else str(value)
        raise invalid_value("percentile_value", shown, "it must be a number from 0 to 100")
    return float(value)


_OWN_VIEW: Final = {Entity.SPAN: SPANS, Entity.ASSESSMENT: ASSESSMENTS}


def _conditions(request: QueryTraceMetrics, view: str) -> list[Condition]:
    found = trace_metric_fields.conditions(request.filters)
    for each in found:
        entity = each.field.entity
        if _OWN_VIEW.get(entity, view) != view:
            raise InvalidParameter(
                f"Filtering by {entity.value} is only supported for the view "
                f"{_OWN_VIEW[entity]}, got {view}."
            )
    return found


def _times(request: QueryTraceMetrics) -> dict[str, int | None]:
    start, end, seconds = request.start_time_ms, request.end_time_ms, request.time_interval_seconds
    if not seconds:
        return {"start": start, "end": end, "interval": None}
    if not 0 < seconds <= MAX_INTERVAL:
        reason = f"it must be a number of seconds from 1 to {MAX_INTERVAL}"
        raise invalid_value("time_interval_seconds", seconds, reason)
    if start is None or end is None:
        raise InvalidParameter(
            "start_time_ms and end_time_ms are required if time_interval_seconds is set."
        )
    # A bucket is named by its begin, which must be a date.
    return {"start": max(start, 0), "end": min(end, _LAST_MS), "interval": seconds * 1000}


def in_nanoseconds(milliseconds: int) -> int:
    """A time as columns of spans have it, or the first or the last that they can have."""
    return max(-INT64_MAX, min(milliseconds * 1_000_000, INT64_MAX))
