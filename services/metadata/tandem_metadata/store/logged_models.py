"""Reading logged models: clients look a run's models up to list and fetch its artifacts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from tandem_metadata.messages.logged_models import (
    LoggedModel,
    LoggedModelData,
    LoggedModelInfo,
    LoggedModelMetric,
    LoggedModelParameter,
    LoggedModelTag,
)
from tandem_metadata.search import page_token as tokens
from tandem_metadata.search.compile import logged_model_clauses
from tandem_metadata.search.logged_model_fields import LOGGED_MODELS
from tandem_metadata.search.order import order_logged_models
from tandem_metadata.search.parser import parse_filter
from tandem_metadata.store.experiments import parse_id
from tandem_metadata.store.membership import among
from tandem_metadata.tables.logged_models import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from tandem_shared.errors import InvalidParameter, NotFound
from tandem_shared.wire import json_double

MAX_RESULTS: Final = 1_000
_PAGE: Final = 50
_STATUS: Final = (
    "LOGGED_MODEL_STATUS_UNSPECIFIED",
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
)


def get(conn: Connection, model_id: str) -> LoggedModel:
    """A logged model that is not deleted; raises NotFound for any other id."""
    return _from_rows(conn, [_row(conn, model_id)])[0]


def artifact_uri(conn: Connection, model_id: str) -> str:
    """Where the model keeps its artifacts; raises NotFound as `get` does."""
    uri: str = _row(conn, model_id).artifact_location
    return uri


def search(
    conn: Connection,
    *,
    experiment_ids: Sequence[str],
    filter: str | None,
    max_results: int | None,
    order_by: Sequence[tuple[str, bool]],
    page_token: str | None,
) -> tuple[list[LoggedModel], str | None]:
    """One page of the logged models of some experiments, and the next page's token if any.

    `order_by` has attributes, each with whether it ascends; else the latest created come first.
    Raises InvalidParameter for what cannot be accepted.
    """
    if not experiment_ids:
        raise InvalidParameter("Missing value for required parameter 'experiment_ids'.")
    limit = max_results or _PAGE
    if not 1 <= limit <= MAX_RESULTS:
        raise InvalidParameter(
            f"Invalid value {limit} for parameter 'max_results': "
            f"it must be a whole number from 1 to {MAX_RESULTS}."
        )
    ids = sorted({parse_id(experiment_id) for experiment_id in experiment_ids})
    conditions = [LOGGED_MODELS.condition(comparison) for comparison in parse_filter(filter)]
    clauses = [f"{field} {'ASC' if ascending else 'DESC'}" for field, ascending in order_by]
    ordering = order_logged_models(clauses)
    this_search = tokens.fingerprint("logged models", ids, filter or "", clauses)
    rows = conn.execute(
        select(*logged_models.c, *ordering.columns())
        .where(
            among(conn, logged_models.c.experiment_id, ids),
            logged_models.c.lifecycle_stage == "active",
            *logged_model_clauses(conditions, conn.dialect.name),
            *tokens.continuation(page_token, this_search, ordering),
        )
        .order_by(*ordering.clauses())
        .limit(limit + 1)
    ).all()
    page = rows[:limit]
    token = tokens.write(this_search, ordering.position(page[-1])) if len(rows) > limit else None
    return _from_rows(conn, page), token


def _row(conn: Connection, model_id: str) -> Row[Any]:
    row = conn.execute(
        select(logged_models).where(
            logged_models.c.model_id == model_id, logged_models.c.lifecycle_stage == "active"
        )
    ).first()
    if row is None:
        raise NotFound(f"No logged model has the id '{model_id}'.")
    return row


def _from_rows(conn: Connection, rows: Sequence[Row[Any]]) -> list[LoggedModel]:
    ids = [row.model_id for row in rows]
    if not ids:
        return []
    tags: dict[str, list[LoggedModelTag]] = defaultdict(list)
    for row in conn.execute(
        select(logged_model_tags).where(among(conn, logged_model_tags.c.model_id, ids))
    ):
        tags[row.model_id].append(LoggedModelTag(row.tag_key, row.tag_value))
    params: dict[str, list[LoggedModelParameter]] = defaultdict(list)
    for row in conn.execute(
        select(logged_model_params).where(among(conn, logged_model_params.c.model_id, ids))
    ):
        params[row.model_id].append(LoggedModelParameter(row.param_key, row.param_value))
    metrics: dict[str, list[LoggedModelMetric]] = defaultdict(list)
    for row in conn.execute(
        select(logged_model_metrics).where(among(conn, logged_model_metrics.c.model_id, ids))
    ):
        metrics[row.model_id].append(_metric(row))
    return [
        LoggedModel(_info(row, tags[row.model_id]), LoggedModelData(
            params=params[row.model_id], metrics=metrics[row.model_id]
        ))
        for row in rows
    ]  # fmt: skip


def _info(row: Row[Any], tags: list[LoggedModelTag]) -> LoggedModelInfo:
    return LoggedModelInfo(
        model_id=row.model_id,
        experiment_id=str(row.experiment_id),
        name=row.name,
        creation_timestamp_ms=row.creation_timestamp_ms,
        last_updated_timestamp_ms=row.last_updated_timestamp_ms,
        artifact_uri=row.artifact_location,
        status=_STATUS[row.status] if 0 <= row.status < len(_STATUS) else _STATUS[0],
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
