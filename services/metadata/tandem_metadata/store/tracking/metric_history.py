"""All values of a metric: of one run by pages, of several runs whole or sampled."""

import base64
import math
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import repeat
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.database.tables.tracking import metrics
from tandem_metadata.messages.metrics import Metric, MetricWithRunId
from tandem_metadata.search.sql.page_token import fingerprint
from tandem_metadata.store.dialect.in_list import any_of
from tandem_shared.errors import InvalidParameter, invalid_value, missing_value
from tandem_shared.wire.codec import Int64, encode_json, json_double

MAX_RUNS = 100
MAX_BULK_RESULTS = 25_000
MAX_SAMPLES = 2_500

_BULK = "GetMetricHistoryBulk request"

_COLUMNS = metrics.c
_BY_TIME = (_COLUMNS.timestamp, _COLUMNS.step, _COLUMNS.value, _COLUMNS.is_nan)
_BY_STEP = (_COLUMNS.step, _COLUMNS.timestamp, _COLUMNS.value, _COLUMNS.is_nan)


class _Token(msgspec.Struct, array_like=True):
    """Where a page ended, and in which history."""

    history: str
    timestamp: Int64
    step: Int64
    value: float
    is_nan: bool


def page(
    conn: Connection, run_id: str, key: str, max_results: int | None, page_token: str | None
) -> tuple[bytes, str | None]:
    """Values by timestamp, step and value, and the token of the next page if there is one.

    The values are messages of type Metric in JSON, with commas between them. All values without
    `max_results`; none for a run that does not exist. A page begins after the last value of the one
    before, so values logged meanwhile shift nothing. Raises InvalidParameter for a `max_results`
    below 1 and for a token that is malformed or of another history.
    """
    if max_results is not None and max_results < 1:
        raise invalid_value("max_results", max_results, "it must be a positive integer")
    history = fingerprint("metric history", run_id, key)
    after = _read(page_token, history) if page_token else None
    found = _columns(conn, run_id, key, after, max_results)
    more = max_results is not None and len(found[0]) > max_results
    timestamps, steps, values = [column[:max_results] for column in found] if more else found
    if not more:
        return _json(key, timestamps, steps, values), None
    is_nan = math.isnan(values[-1])
    last = _Token(history, timestamps[-1], steps[-1], 0.0 if is_nan else values[-1], is_nan)
    return _json(key, timestamps, steps, values), _write(last)


Columns = Sequence[Sequence[Any]]


def _columns(
    conn: Connection, run_id: str, key: str, after: "_Token | None", max_results: int | None
) -> Columns:
    """Timestamps, steps and values, NaN among them; one more than asked for if there is one."""
    given: dict[str, Any] = {"run_id": run_id, "key": key}
    if after:
        given |= {"timestamp": after.timestamp, "step": after.step}
        given |= {"value": after.value, "is_nan": after.is_nan}
    if max_results is not None:
        given["limit"] = max_results + 1
    statement = _statement(conn.dialect.name, after is not None, max_results is not None)
    rows = fetch_tuples(conn, statement, given)
    if conn.dialect.name == "postgresql":
        return [column or () for column in rows[0]]
    if not rows:
        return (), (), ()
    timestamps, steps, values, nans = zip(*rows, strict=True)
    if any(nans):
        values = tuple(math.nan if nan else v for v, nan in zip(values, nans, strict=True))
    return timestamps, steps, values


@cache
def _statement(dialect: str, after: bool, limited: bool) -> str:
    """The statement of a page, its parameters written as the dialect's driver has them."""
    style = "%({})s" if dialect == "postgresql" else ":{}"
    page = _PAGE + (_AFTER if after else "") + _ORDER + (_LIMIT if limited else "")
    page = page.format(**{name: style.format(name) for name in _PARAMETERS})
    # Arrays: rows take longer to transfer, and text longer to make.
    return _AS_ARRAYS.format(page=page) if dialect == "postgresql" else page


def _json(
    key: str, timestamps: Sequence[int], steps: Sequence[int], values: Sequence[float]
) -> bytes:
    parts = []
    for start in range(0, len(values), _WRITTEN):
        part = slice(start, start + _WRITTEN)
        shown: Sequence[float | str] = values[part]
        if not math.isfinite(sum(values[part])):
            shown = [json_double(value) for value in values[part]]
        found = map(Metric, repeat(key), shown, timestamps[part], steps[part])
        parts.append(encode_json([*found])[1:-1])
    return b",".join(parts)


_WRITTEN = 10_000
"""Values that are Python objects at a time. All of a long history would take more than its JSON."""

_PARAMETERS = ("run_id", "key", "timestamp", "step", "value", "is_nan", "limit")
_PAGE = """
SELECT timestamp, step, value, is_nan FROM metrics WHERE run_uuid = {run_id} AND key = {key}"""
_AFTER = """
  AND (timestamp, step, value, is_nan) > ({timestamp}, {step}, {value}, {is_nan})"""
_ORDER = """
ORDER BY timestamp, step, value, is_nan"""
_LIMIT = """
LIMIT {limit}"""
_AS_ARRAYS = """
SELECT array_agg(timestamp), array_agg(step), array_agg(CASE WHEN is_nan THEN 'NaN' ELSE value END)
FROM ({page}) page"""


def bulk(
    conn: Connection, run_ids: Sequence[str], key: str | None, max_results: int | None
) -> list[MetricWithRunId]:
    """Values of several runs by run, timestamp, step and value; at most `max_results` in all.

    Raises InvalidParameter for no run, too many, a negative `max_results` or no key.
    """
    if not run_ids:
        raise missing_value("run_id", f"{_BULK} must specify at least one run_id")
    if len(run_ids) > MAX_RUNS:
        raise InvalidParameter(
            f"{_BULK} cannot specify more than {MAX_RUNS} run_ids. Parameter 'run_id' names "
            f"{len(run_ids)}; ask for the others in further requests."
        )
    if key is None:
        raise missing_value("metric_key", f"{_BULK} must specify a metric_key")
    limit = MAX_BULK_RESULTS if max_results is None else min(max_results, MAX_BULK_RESULTS)
    if limit < 0:
        raise invalid_value("max_results", limit, "it must not be negative")
    statement: Select[Any] = (
        select(_COLUMNS.run_uuid, *_BY_TIME)
        .where(_COLUMNS.key == key, any_of(conn, _COLUMNS.run_uuid, run_ids))
        .order_by(_COLUMNS.run_uuid, *_BY_TIME)
        .limit(limit)
    )
    return [_of_run(row, key) for row in conn.execute(statement)]


def sample(
    conn: Connection,
    run_ids: Sequence[str],
    key: str,
    steps: tuple[int | None, int | None],
    max_results: int | None,
) -> list[MetricWithRunId]:
    """At most `max_results` values of each run, spread evenly over its values by step.

    Both `steps` or neither are given, both inclusive. The last value is always among them, and the
    first if there are at least two. Runs come in the order given. Raises InvalidParameter.
    """
    if not run_ids:
        raise missing_value("run_ids", "name a run")
    if len(run_ids) > MAX_RUNS:
        raise InvalidParameter(
            f"GetMetricHistoryBulkInterval request must specify at most {MAX_RUNS} run_ids. "
            f"Parameter 'run_ids' names {len(run_ids)}; ask for the others in further requests."
        )
    size = MAX_SAMPLES if max_results is None else max_results
    if not 1 <= size <= MAX_SAMPLES:
        raise invalid_value("max_results", size, f"max_results must be between 1 and {MAX_SAMPLES}")
    within = [_COLUMNS.key == key, any_of(conn, _COLUMNS.run_uuid, run_ids), *_between(*steps)]
    by_run: dict[str, list[MetricWithRunId]] = defaultdict(list)
    for row in conn.execute(_samples(within, size)):
        by_run[row.run_uuid].append(_of_run(row, key))
    for values in by_run.values():
        if len(values) > size:  # the last value came on top of the last bucket's first
            del values[-2]
    return [value for run_id in run_ids for value in by_run.get(run_id, ())]


def _samples(within: Sequence[ColumnElement[bool]], size: int) -> Select[Any]:
    """The first value of each of `size` equal buckets of a run's values, and the run's last."""
    run = _COLUMNS.run_uuid
    buckets = (
        select(
            run,
            *_BY_STEP,
            func.ntile(size).over(partition_by=run, order_by=_BY_STEP).label("bucket"),
            func.row_number().over(partition_by=run, order_by=_BY_STEP).label("number"),
            func.count().over(partition_by=run).label("total"),
        )
        .where(*within)
        .subquery()
    ).c
    ranked = (
        select(
            *buckets,
            func.row_number()
            .over(partition_by=(buckets.run_uuid, buckets.bucket), order_by=buckets.number)
            .label("place"),
        )
        .subquery()
        .c
    )
    return (
        select(ranked.run_uuid, ranked.timestamp, ranked.step, ranked.value, ranked.is_nan)
        .where(or_(ranked.place == 1, ranked.number == ranked.total))
        .order_by(ranked.run_uuid, ranked.number)
    )


def _between(start: int | None, end: int | None) -> list[ColumnElement[bool]]:
    if start is None and end is None:
        return []
    if start is None or end is None:
        raise InvalidParameter(
            "If either start step or end step are specified, both must be: give 'start_step' and "
            "'end_step', or neither."
        )
    if start > end:
        raise invalid_value(
            "end_step", end, f"end_step must be greater than start_step, {start}, or equal to it"
        )
    return [_COLUMNS.step.between(start, end)]


def _of_run(row: Row[Any], key: str) -> MetricWithRunId:
    run_id, timestamp, step, value, is_nan = tuple(row)
    return MetricWithRunId(key, "NaN" if is_nan else json_double(value), timestamp, step, run_id)


def _write(token: _Token) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def _read(page_token: str, history: str) -> _Token:
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(page_token), type=_Token)
    except (ValueError, msgspec.DecodeError):
        raise InvalidParameter(
            "Invalid page token: pass the next_page_token of the previous answer unchanged."
        ) from None
    if token.history != history:
        raise InvalidParameter("Invalid page token: it belongs to another run or metric_key.")
    return token
