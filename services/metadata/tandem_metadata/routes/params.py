"""Endpoints of params, and of batches of metrics, params and tags."""

from typing import Any

from tandem_metadata.messages.batch import LogBatch, LogParam
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.routes.endpoint import MANY_BYTES, Context, Endpoint
from tandem_metadata.routes.runs import named
from tandem_metadata.store.tracking import log_entry


async def log(context: Context, request: LogParam) -> Empty:
    """Log a param."""
    run_id = named(request.run_id, request.run_uuid)
    truncate = context.settings.truncate_long_values
    await context.writer.log(log_entry.param(run_id, request, truncate=truncate))
    return Empty()


async def log_batch(context: Context, request: LogBatch) -> Empty:
    """Log metrics, params and tags, all or none."""
    truncate = context.settings.truncate_long_values
    await context.writer.log(log_entry.many(request, truncate=truncate))
    return Empty()


ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", "2.0/mlflow/runs/log-parameter", LogParam, log),
    Endpoint("POST", "2.0/mlflow/runs/log-batch", LogBatch, log_batch, body_bytes=MANY_BYTES),
]
