"""Endpoints of the inputs and outputs of runs: datasets and models."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages.datasets import (
    LogInputs,
    LogOutputs,
    SearchDatasets,
    SearchDatasetsResponse,
)
from tandem_metadata.routes.endpoint import READ, RETRIED_WRITE, Endpoint
from tandem_metadata.store.tracking import datasets


def log_inputs(conn: Connection, request: LogInputs) -> None:
    """Log the datasets and models that a run reads."""
    used, models = request.datasets or [], request.models or []
    datasets.log_inputs(conn, request.run_id, used, models)


def log_outputs(conn: Connection, request: LogOutputs) -> None:
    """Log the models that a run wrote."""
    datasets.log_outputs(conn, request.run_id, request.models)


def search(conn: Connection, request: SearchDatasets) -> SearchDatasetsResponse:
    """List the datasets of experiments, for the web UI."""
    return SearchDatasetsResponse(datasets.summaries(conn, request.experiment_ids))


def _models(request: LogInputs | LogOutputs) -> list[str]:
    return [model.model_id for model in request.models or ()]


_INPUTS_BYTES = 24 * 1024 * 1024
"""Room for a profile of 16 MiB and its escapes in JSON."""

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        "2.0/mlflow/runs/log-inputs",
        LogInputs,
        RETRIED_WRITE,
        log_inputs,
        rules.logging(_models),
        _INPUTS_BYTES,
    ),
    Endpoint(
        "POST",
        "2.0/mlflow/runs/outputs",
        LogOutputs,
        RETRIED_WRITE,
        log_outputs,
        rules.logging(_models),
    ),
    Endpoint(
        "POST",
        "2.0/mlflow/experiments/search-datasets",
        SearchDatasets,
        READ,
        search,
        rules.EXPERIMENTS,
    ),
]
