"""Metrics that runs log: every value once, and the latest of each key."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from tandem_metadata import tables
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.store import limits
from tandem_metadata.store.membership import among
from tandem_metadata.tables.logged_models import logged_model_metrics, logged_models
from tandem_metadata.tables.tracking import latest_metrics, metrics
from tandem_shared.errors import InvalidParameter

_LARGEST = 1.7976931348623157e308
_DATASET_NAME = 500
_DATASET_DIGEST = 36

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


def log(conn: Connection, run_id: str, experiment_id: int, logged: Sequence[LoggedMetric]) -> None:
    """Add metrics to an active run; what is there already stays once.

    The latest metric of a key is the greatest by step, then timestamp, then value as stored. Keys
    are unordered in a request and ordered here: two requests that lock rows of one run do so in
    the same order and cannot deadlock.
    """
    if not logged:
        return
    rows = [_row(run_id, each) for each in logged]
    conn.execute(tables.insert(conn, metrics).on_conflict_do_nothing(), sorted(rows, key=_identity))
    _keep_latest(conn, rows)
    _log_to_models(conn, run_id, experiment_id, logged)


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


def _identity(row: Row) -> tuple[Any, ...]:
    return row["key"], *_rank(row), row["is_nan"]


def _rank(row: Row) -> tuple[int, int, float]:
    return row["step"], row["timestamp"], row["value"]


def _keep_latest(conn: Connection, rows: Iterable[Row]) -> None:
    latest: dict[str, Row] = {}
    for row in rows:
        before = latest.get(row["key"])
        if before is None or _rank(row) > _rank(before):
            latest[row["key"]] = row
    insert = tables.insert(conn, latest_metrics)
    new, old = insert.excluded, latest_metrics.c
    # The comparison belongs to the statement that holds the row's lock: read before, it could be
    # with a row that another request has replaced since. Spelled out, since an older database may
    # hold a latest metric without a timestamp.
    newer = or_(
        new.step > old.step,
        and_(
            new.step == old.step,
            or_(
                old.timestamp.is_(None),
                new.timestamp > old.timestamp,
                and_(new.timestamp == old.timestamp, new.value > old.value),
            ),
        ),
    )
    upsert = insert.on_conflict_do_update(
        index_elements=["key", "run_uuid"],
        set_={name: new[name] for name in ("value", "timestamp", "step", "is_nan")},
        where=newer,
    )
    conn.execute(upsert, sorted(latest.values(), key=_identity))


def _log_to_models(
    conn: Connection, run_id: str, experiment_id: int, logged: Sequence[LoggedMetric]
) -> None:
    """Repeat metrics that name a logged model of this database in that model's own metrics."""
    named = sorted({each.model_id for each in logged if each.model_id})
    if not named:
        return
    found = select(logged_models.c.model_id).where(among(conn, logged_models.c.model_id, named))
    known = set(conn.execute(found).scalars())
    rows = [
        {
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
        for each in logged
        if each.model_id in known
    ]
    if rows:
        rows.sort(
            key=lambda row: (
                row["model_id"],
                row["metric_name"],
                row["metric_timestamp_ms"],
                row["metric_step"],
            )
        )
        conn.execute(tables.insert(conn, logged_model_metrics).on_conflict_do_nothing(), rows)
