"""Metrics that runs log: every value once, and the latest of each key."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from tandem_metadata.database.tables.logged_models import logged_model_metrics, logged_models
from tandem_metadata.database.tables.tracking import latest_metrics, metrics
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect import bulk, logging_order
from tandem_metadata.store.dialect.in_list import any_of
from tandem_shared.errors import InvalidParameter

_LARGEST = 1.7976931348623157e308
_DATASET_NAME = 500
_DATASET_DIGEST = 36
_TOLD_APART = ("metric_value", "dataset_name", "dataset_digest")
"""What a metric of a model holds beside its key."""

IF_NEWER: Final = """
ON CONFLICT (key, run_uuid) DO UPDATE SET
  step = excluded.step, timestamp = excluded.timestamp,
  value = excluded.value, is_nan = excluded.is_nan
WHERE excluded.step > old.step OR (excluded.step = old.step AND (
  old.timestamp IS NULL OR excluded.timestamp > old.timestamp
  OR (excluded.timestamp = old.timestamp AND excluded.value > old.value)))"""
"""The clause by which a row of `latest_metrics`, there called `old`, gives way to a newer one.

An older database may hold a latest metric without a timestamp.
"""

Row = dict[str, Any]


def check(logged: LoggedMetric, path: str = "") -> None:
    """Raise InvalidParameter for a metric that cannot be logged; `path` leads to its fields."""
    limits.check_key(f"{path}key", logged.key)
    if logged.timestamp < 0:
        raise InvalidParameter(
            f"Invalid value {logged.timestamp} for parameter '{path}timestamp' of metric "
            f"'{logged.key}': give milliseconds since 1970, 0 or more."
        )
    limits.check_length(f"{path}dataset_name", logged.dataset_name or "", _DATASET_NAME)
    limits.check_length(f"{path}dataset_digest", logged.dataset_digest or "", _DATASET_DIGEST)
    if bool(logged.dataset_name) != bool(logged.dataset_digest):
        given, missing = ("name", "digest") if logged.dataset_name else ("digest", "name")
        raise InvalidParameter(
            f"Parameter '{path}dataset_{given}' of metric '{logged.key}' needs "
            f"'{path}dataset_{missing}' beside it; give both or neither."
        )


def log(conn: Connection, run_id: str, experiment_id: int, logged: Sequence[LoggedMetric]) -> None:
    """Add metrics to an active run, and to the logged models that they name.

    What is there already stays once. The latest metric of a key is the greatest by step, then
    timestamp, then value as stored. PostgreSQL gets the rows in an order of their own: two requests
    that lock rows of one run do so in the same one and cannot deadlock.

    A model has one value of a metric for each run, time and step, be it logged with a dataset or
    without. Raises InvalidParameter for another one, and for a model that does not exist; the
    transaction must then be rolled back.
    """
    if not logged:
        return
    rows = [_row(run_id, each) for each in logged]
    model_rows = _model_rows(run_id, experiment_id, logged)
    _check_models(conn, model_rows)
    bulk.insert(conn, metrics, sorted(rows, key=_identity), bulk.UNLESS_THERE)
    _keep_latest(conn, rows)
    _log_to_models(conn, run_id, model_rows)


def stored_value(value: float) -> tuple[float, bool]:
    """A value as MLflow's tables hold it, and whether it is NaN.

    NaN is 0 with a flag, the infinities are the largest doubles.
    """
    if math.isnan(value):
        return 0.0, True
    return max(-_LARGEST, min(_LARGEST, value)), False


def _row(run_id: str, logged: LoggedMetric) -> Row:
    value, is_nan = stored_value(logged.value)
    return {
        "run_uuid": run_id,
        "key": logged.key,
        "value": value,
        "timestamp": logged.timestamp,
        "step": logged.step or 0,
        "is_nan": is_nan,
    }


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["key"], *_rank(row), row["is_nan"]


def _rank(row: Mapping[str, Any]) -> tuple[int, int, float]:
    return row["step"], row["timestamp"], row["value"]


def _keep_latest(conn: Connection, rows: Iterable[Row]) -> None:
    latest: dict[str, Row] = {}
    for row in rows:
        before = latest.get(row["key"])
        if before is None or _rank(row) > _rank(before):
            latest[row["key"]] = row
    newest = [*latest.values()]
    if not logging_order.is_kept(conn):
        newest.sort(key=_identity)
    # The comparison belongs to the statement that holds the row's lock: read before, it could be
    # with a row that another request has replaced since.
    bulk.insert(conn, latest_metrics, newest, IF_NEWER)


def _model_rows(run_id: str, experiment_id: int, logged: Iterable[LoggedMetric]) -> list[Row]:
    """The rows of metrics that name a model, each once."""
    rows: dict[tuple[Any, ...], Row] = {}
    for each in logged:
        if not each.model_id:
            continue
        row = {
            "model_id": each.model_id,
            "metric_name": each.key,
            "metric_timestamp_ms": each.timestamp,
            "metric_step": each.step or 0,
            "metric_value": stored_value(each.value)[0],
            "experiment_id": experiment_id,
            "run_id": run_id,
            "dataset_name": each.dataset_name or None,
            "dataset_digest": each.dataset_digest or None,
        }
        if rows.setdefault(_model_identity(row), row) != row:
            raise _contradiction(row)
    return [*rows.values()]


def _check_models(conn: Connection, rows: Iterable[Row]) -> None:
    """Raise InvalidParameter unless all the models exist, be they active or deleted."""
    named = sorted({row["model_id"] for row in rows})
    if not named:
        return
    found = select(logged_models.c.model_id).where(any_of(conn, logged_models.c.model_id, named))
    if unknown := set(named).difference(conn.execute(found).scalars()):
        raise InvalidParameter(
            f"Metrics cannot be logged to the logged model {min(unknown)[:100]!r}: no model has "
            "that ID. Create it first, or log them without a model_id."
        )


def _log_to_models(conn: Connection, run_id: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    columns = logged_model_metrics.c
    given = rows if logging_order.is_kept(conn) else sorted(rows, key=_model_identity)
    if bulk.insert(conn, logged_model_metrics, given, bulk.UNLESS_THERE) == len(rows):
        return
    stored = select(logged_model_metrics).where(
        columns.run_id == run_id,
        any_of(conn, columns.model_id, sorted({row["model_id"] for row in rows})),
        any_of(conn, columns.metric_name, sorted({row["metric_name"] for row in rows})),
    )
    by_identity = {_model_identity(found): found for found in conn.execute(stored).mappings()}
    for row in rows:
        found = by_identity[_model_identity(row)]
        if any(found[name] != row[name] for name in _TOLD_APART):
            raise _contradiction(row)


def _model_identity(row: Row | RowMapping) -> tuple[Any, ...]:
    return row["model_id"], row["metric_name"], row["metric_timestamp_ms"], row["metric_step"]


def _contradiction(row: Row) -> InvalidParameter:
    return InvalidParameter(
        f"Metric {row['metric_name']!r} of logged model '{row['model_id']}' has another value or "
        f"dataset at the time {row['metric_timestamp_ms']} and step {row['metric_step']} already; "
        "log it at another step or time."
    )
