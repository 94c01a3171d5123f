"""Loads logged models with tags, params and metrics: one statement a table for any number."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from tandem_metadata.database.tables.logged_models import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
)
from tandem_metadata.messages.logged_models import (
    LoggedModel,
    LoggedModelData,
    LoggedModelInfo,
    LoggedModelMetric,
    LoggedModelParameter,
    LoggedModelTag,
)
from tandem_metadata.rules.enums import LOGGED_MODEL_STATUS
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.dialect.logging_order import first_logged
from tandem_shared.wire.codec import json_double


def load(conn: Connection, rows: Sequence[Row[Any]]) -> list[LoggedModel]:
    """Logged models for rows of their table, in the same order.

    Tags and params come by key, metrics in the order of logging.
    """
    if not rows:
        return []
    ids = [row.model_id for row in rows]
    tags: dict[str, list[LoggedModelTag]] = defaultdict(list)
    for row in _of_models(conn, logged_model_tags, ids):
        tags[row.model_id].append(LoggedModelTag(row.tag_key, row.tag_value))
    params: dict[str, list[LoggedModelParameter]] = defaultdict(list)
    for row in _of_models(conn, logged_model_params, ids):
        params[row.model_id].append(LoggedModelParameter(row.param_key, row.param_value))
    metrics: dict[str, list[LoggedModelMetric]] = defaultdict(list)
    logged = first_logged(conn, logged_model_metrics, logged_model_metrics.c.run_id, updated=False)
    for row in _of_models(conn, logged_model_metrics, ids, logged):
        metrics[row.model_id].append(_metric(row))
    return [
        LoggedModel(
            _info(row, tags[row.model_id]),
            LoggedModelData(params[row.model_id], metrics[row.model_id]),
        )
        for row in rows
    ]


def _of_models(
    conn: Connection, table: Table, ids: Sequence[str], *order: ColumnElement[Any]
) -> Sequence[Row[Any]]:
    statement = (
        select(table)
        .where(any_of(conn, table.c.model_id, ids))
        .order_by(*(order or table.primary_key.columns))
    )
    return conn.execute(statement).all()


def _info(row: Row[Any], tags: list[LoggedModelTag]) -> LoggedModelInfo:
    return LoggedModelInfo(
        model_id=row.model_id,
        experiment_id=str(row.experiment_id),
        name=row.name,
        creation_timestamp_ms=row.creation_timestamp_ms,
        last_updated_timestamp_ms=row.last_updated_timestamp_ms,
        artifact_uri=row.artifact_location,
        status=LOGGED_MODEL_STATUS.get(row.status, LOGGED_MODEL_STATUS[0]),
        model_type=row.model_type,
        source_run_id=row.source_run_id,
        status_message=row.status_message,
        tags=tags,
    )


def _metric(row: Row[Any]) -> LoggedModelMetric:
    return LoggedModelMetric(
        key=row.metric_name,
        value=json_double(row.metric_value),
        timestamp=row.metric_timestamp_ms,
        step=row.metric_step,
        dataset_name=row.dataset_name,
        dataset_digest=row.dataset_digest,
        model_id=row.model_id,
        run_id=row.run_id,
    )
