"""Endpoints of what runs read and write: datasets and models."""

from typing import Any

from tandem_metadata.messages.datasets import (
    LogInputs,
    LogOutputs,
    SearchDatasets,
    SearchDatasetsResponse,
)
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.routes.endpoint import Context, Endpoint
from tandem_metadata.store.tracking import datasets


def log_inputs(context: Context, request: LogInputs) -> Empty:
    """Log what a run reads."""
    used, models = request.datasets or [], request.models or []
    context.db.run_in_transaction(
        lambda conn: datasets.log_inputs(conn, request.run_id, used, models)
    )
    return Empty()


def log_outputs(context: Context, request: LogOutputs) -> Empty:
    """Log the models that a run wrote."""
    context.db.run_in_transaction(
        lambda conn: datasets.log_outputs(conn, request.run_id, request.models)
    )
    return Empty()


def search(context: Context, request: SearchDatasets) -> SearchDatasetsResponse:
    """List the datasets of experiments, for the web UI."""
    with context.db.read() as conn:
        return SearchDatasetsResponse(datasets.summaries(conn, request.experiment_ids))


_INPUTS_BYTES = 24 * 1024 * 1024
"""Room for a profile of 16 MiB, and what escapes add to it."""

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", "2.0/mlflow/runs/log-inputs", LogInputs, log_inputs, body_bytes=_INPUTS_BYTES),
    Endpoint("POST", "2.0/mlflow/runs/outputs", LogOutputs, log_outputs),
    Endpoint("POST", "2.0/mlflow/experiments/search-datasets", SearchDatasets, search, reads=True),
]
