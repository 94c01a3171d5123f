"""Metrics of runs that name a logged model: they are logged to the model too.

A model has one value of a metric for each run, time and step, with a dataset or without.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from tandem_metadata.database.tables.logged_models import logged_model_metrics, logged_models
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.store.dialect import bulk, logging_order
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.tracking.metrics import stored_value
from tandem_shared.errors import InvalidParameter

_KEY: Final = ("model_id", "metric_name", "metric_timestamp_ms", "metric_step", "run_id")
_COMPARED: Final = ("metric_value", "dataset_name", "dataset_digest")

Row = dict[str, Any]
RowKey = tuple[Any, ...]
"""The values of `_KEY`."""


def rows(run_id: str, logged: Iterable[LoggedMetric]) -> list[Row]:
    """The rows of metrics that name a model."""
    return [
        {
            "model_id": each.model_id,
            "metric_name": each.key,
            "metric_timestamp_ms": each.timestamp,
            "metric_step": each.step or 0,
            "metric_value": stored_value(each.value)[0],
            "run_id": run_id,
            "dataset_name": each.dataset_name or None,
            "dataset_digest": each.dataset_digest or None,
        }
        for each in logged
        if each.model_id
    ]


def key_of(row: Row | RowMapping) -> RowKey:
    """What tells a row from others."""
    return tuple(row[name] for name in _KEY)


def conflict(
    given: Iterable[Row], known: Mapping[RowKey, Row | RowMapping]
) -> InvalidParameter | None:
    """The error of rows of which one contradicts a known one or another of them, if one does."""
    mine: dict[RowKey, Row] = {}
    for row in given:
        key = key_of(row)
        for before in (known.get(key, row), mine.setdefault(key, row)):
            if any(before[name] != row[name] for name in _COMPARED):
                return InvalidParameter(
                    f"Metric {row['metric_name']!r} of logged model '{row['model_id']}' has "
                    f"another value or dataset at the time {row['metric_timestamp_ms']} and step "
                    f"{row['metric_step']} already; log it at another step or time."
                )
    return None


def existing_models(conn: Connection, named: Collection[str]) -> set[str]:
    """The ids of those logged models that exist, be they active or deleted."""
    found = select(logged_models.c.model_id)
    return set(
        conn.execute(found.where(any_of(conn, logged_models.c.model_id, [*named]))).scalars()
    )


def unknown_model(given: Iterable[Row], existing: Collection[str]) -> InvalidParameter | None:
    """The error of rows of which one names a model that does not exist, if one does."""
    unknown = {row["model_id"] for row in given}.difference(existing)
    return (
        None
        if not unknown
        else InvalidParameter(
            f"Metrics cannot be logged to the logged model {min(unknown)[:100]!r}: no model has "
            "that ID. Create it first, or log them without a model_id."
        )
    )


def add(conn: Connection, given: Mapping[RowKey, Row]) -> Mapping[RowKey, RowMapping]:
    """Add rows that are not there yet; returns the stored ones if some were, else nothing.

    PostgreSQL gets them sorted by their keys, so that no two transactions deadlock.
    """
    columns = logged_model_metrics.c
    run_ids = sorted({row["run_id"] for row in given.values()})
    of_run = select(runs.c.run_uuid, runs.c.experiment_id).where(
        any_of(conn, runs.c.run_uuid, run_ids)
    )
    experiment_ids = {row[0]: row[1] for row in conn.execute(of_run)}
    keys: Sequence[RowKey] = [*given] if logging_order.is_kept(conn) else sorted(given)
    new = [{**given[key], "experiment_id": experiment_ids[given[key]["run_id"]]} for key in keys]
    if bulk.insert(conn, logged_model_metrics, new, bulk.UNLESS_THERE) == len(new):
        return {}
    stored = select(logged_model_metrics).where(
        any_of(conn, columns.run_id, run_ids),
        any_of(conn, columns.model_id, sorted({row["model_id"] for row in new})),
        any_of(conn, columns.metric_name, sorted({row["metric_name"] for row in new})),
    )
    return {key_of(row): row for row in conn.execute(stored).mappings()}
