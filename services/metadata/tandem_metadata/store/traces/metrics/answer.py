"""Answers questions about metrics, by one statement each."""

import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    Row,
    Select,
    case,
    cast,
    distinct,
    func,
    select,
)

from tandem_metadata.database import trace_schema
from tandem_metadata.database.pool import PLANNED
from tandem_metadata.database.tables.traces import COSTS
from tandem_metadata.messages.trace_metrics import MetricDataPoint, QueryTraceMetrics
from tandem_metadata.search.sql.index_scans import literal_limit
from tandem_metadata.search.sql.json_text import Json
from tandem_metadata.search.sql.trace_compile import TraceClauses
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.traces.metrics.question import TIME_BUCKET, Question, checked
from tandem_metadata.store.traces.metrics.sources import VALUE, Source, labels
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import InvalidParameter
from tandem_shared.wire.codec import json_double

MAX_EXPERIMENTS: Final = 10_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_OPTIONS: Final = {PLANNED: True}
"""Plans for any values do not know how much of an experiment a time has."""

_TIMES, _UPTO, _NUMBER = "times", "upto", "number"

_LARGE: Final = 1e200
"""From here on values are summed apart, by `_SCALE` smaller: no sum of doubles then overflows.

PostgreSQL fails where one does, and SQLite takes it for infinite, also in a mean.
"""
_SCALE: Final = 2.0**64
_SUMMED: Final = ("SUM", "AVG")
_PARTS: Final = 3
"""Columns of a sum: of values that are not large, of the large ones, and how many there are."""


def query(conn: Connection, request: QueryTraceMetrics) -> list[MetricDataPoint]:
    """The points of the answer, sorted by bucket and dimensions.

    Raises InvalidParameter for what is no question.
    """
    question = checked(request)
    if len(request.experiment_ids) > MAX_EXPERIMENTS:
        raise InvalidParameter(
            f"Invalid experiment_ids: {len(request.experiment_ids)} are given, at most "
            f"{MAX_EXPERIMENTS} are accepted."
        )
    ids = experiments.possible_ids(conn, request.experiment_ids)
    rows = conn.execute(_statement(conn, question, ids), execution_options=_OPTIONS)
    points = (_point(question, row) for row in rows)
    return [point for point in points if point.values]


def _statement(conn: Connection, question: Question, ids: Sequence[int]) -> Select[Any]:
    dialect = conn.dialect.name
    json = Json.of(conn)
    clauses = TraceClauses(trace_schema.of(conn), json, partial(any_of, conn), {})
    rows = Source(question, clauses, lambda column: any_of(conn, column, ids)).rows()
    names = labels(question)
    if dialect == "sqlite" and any(kind == "PERCENTILE" for kind, _ in _asked(question)):
        rows = _ranked(rows, names)
    source = rows.subquery()
    groups = [source.c[name] for name in names]
    values = [
        column
        for kind, percentile in _asked(question)
        for column in _columns(question, source.c, kind, percentile)
    ]
    values = [value.label(f"value_{number}") for number, value in enumerate(values)]
    return (
        select(*groups, *values)
        .group_by(*groups)
        .order_by(*groups)
        .limit(literal_limit(question.max_results))
    )


def _asked(question: Question) -> Sequence[tuple[str, float]]:
    return list(question.aggregations.values())


def _columns(
    question: Question, columns: Any, kind: str, percentile: float
) -> Sequence[ColumnElement[Any]]:
    """What an aggregation is computed of: itself, or the parts of a sum."""
    if not _has_parts(question, kind):
        return [_aggregated(question, columns, kind, percentile)]
    value = columns[VALUE]
    is_large = func.abs(value) >= _LARGE
    small, large = case((~is_large, value)), case((is_large, value / _SCALE))
    if _TIMES in columns:
        times = columns[_TIMES]
        return [func.sum(small * times), func.sum(large * times), func.sum(times)]
    return [func.sum(small), func.sum(large), func.count(value)]


def _has_parts(question: Question, kind: str) -> bool:
    """Whether a sum may overflow. Times and tokens are integers, of which none does."""
    return kind in _SUMMED and question.metric in (*COSTS, "assessment_value")


def _aggregated(
    question: Question, columns: Any, kind: str, percentile: float
) -> ColumnElement[Any]:
    value = columns[VALUE]
    if _TIMES in columns:
        return _weighted(columns, kind, percentile)
    match kind:
        case "COUNT":
            return func.count(distinct(value) if question.metric == "session_count" else value)
        case "SUM":
            return func.sum(value)
        case "AVG":
            return func.avg(value)
        case "MIN":
            return func.min(value)
        case "MAX":
            return func.max(value)
    return func.percentile_cont(percentile / 100).within_group(value)


def _ranked(rows: Select[Any], names: Sequence[str]) -> Select[Any]:
    """Each value of a group once, how often it is there, up to it and in the group.

    Numbers are milliseconds and tokens, of which many are the same: to rank all rows takes three
    times as long.
    """
    source = rows.subquery()
    group = [source.c[name] for name in names]
    columns = [*group, source.c[VALUE]]
    counted = select(*columns, func.count().label(_TIMES)).group_by(*columns).subquery()
    group = [counted.c[name] for name in names]
    value, times = counted.c[VALUE], counted.c[_TIMES]
    upto = func.sum(times).over(partition_by=group, order_by=value)
    number = func.sum(times).over(partition_by=group)
    return select(*group, value, times, upto.label(_UPTO), number.label(_NUMBER))


def _weighted(columns: Any, kind: str, percentile: float) -> ColumnElement[Any]:
    """The aggregation of values that count several times."""
    value, times = columns[VALUE], columns[_TIMES]
    match kind:
        case "COUNT":
            return func.sum(times)
        case "SUM":
            return func.sum(value * times)
        case "AVG":
            return func.sum(value * times) / func.sum(times)
        case "MIN":
            return func.min(value)
        case "MAX":
            return func.max(value)
    return _percentile(columns, percentile / 100)


def _percentile(columns: Any, part: float) -> ColumnElement[Any]:
    """The value at a part of the way through the sorted ones; between two, of both."""
    value, upto = columns[VALUE], columns[_UPTO]
    position = cast(part, Float(53)) * (columns[_NUMBER] - 1)
    before = cast(position, BigInteger)
    low = func.min(case((upto > before, value)))
    high = func.coalesce(func.min(case((upto > before + 1, value))), low)
    return low + (high - low) * func.max(position - before)


def _point(question: Question, row: Row[Any]) -> MetricDataPoint:
    names = labels(question)
    dimensions = dict(zip(names, row, strict=False))
    if TIME_BUCKET in dimensions:
        begins = _EPOCH + timedelta(milliseconds=int(dimensions[TIME_BUCKET]))
        dimensions[TIME_BUCKET] = begins.isoformat()
    values = zip(question.aggregations, _values(question, iter(row[len(names) :])), strict=True)
    return MetricDataPoint(
        metric_name=question.metric,
        dimensions=dimensions,
        values={name: json_double(float(value)) for name, value in values if value is not None},
    )


def _values(question: Question, found: Iterator[Any]) -> Iterator[Any]:
    """The value of each aggregation; None where there is none."""
    for kind, _ in _asked(question):
        if not _has_parts(question, kind):
            yield next(found)
            continue
        small, large, count = (next(found) for _ in range(_PARTS))
        if not count:
            yield None
        elif kind == "SUM":
            yield (small or 0.0) + (large or 0.0) * _SCALE
        else:
            yield _mean(small or 0.0, large or 0.0, count)


def _mean(small: float, large: float, count: int) -> float:
    mean = small / count + large / count * _SCALE
    if math.isinf(mean) and math.isfinite(large):  # by the last bit: no mean exceeds its values
        return math.copysign(sys.float_info.max, mean)
    return mean
