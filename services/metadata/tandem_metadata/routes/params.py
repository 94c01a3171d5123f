"""Endpoints of params, and of batches of metrics, params and tags."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.messages.batch import LogBatch, LogParam
from tandem_metadata.routes.endpoint import MANY_BYTES, WRITE, Context, Endpoint
from tandem_metadata.routes.runs import run_id_of
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.tracking import log_entry


async def log(context: Context, request: LogParam) -> None:
    """Log a param."""
    run_id = run_id_of(request.run_id, request.run_uuid)
    truncate = context.settings.truncate_long_values
    await context.writer.log(log_entry.param(run_id, request, truncate=truncate))


async def log_batch(context: Context, request: LogBatch) -> None:
    """Log metrics, params and tags, all or none."""
    truncate = context.settings.truncate_long_values
    await context.writer.log(log_entry.many(request, truncate=truncate))


def _models(request: LogBatch) -> list[str | None]:
    return [metric.model_id for metric in request.metrics or ()]


ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST", "2.0/mlflow/runs/log-parameter", LogParam, WRITE, log, rules.run(Action.UPDATE)
    ),
    Endpoint(
        "POST",
        "2.0/mlflow/runs/log-batch",
        LogBatch,
        WRITE,
        log_batch,
        rules.logging(_models),
        MANY_BYTES,
    ),
]
