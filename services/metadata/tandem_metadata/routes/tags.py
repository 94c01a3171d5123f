"""Endpoints of the tags of runs and experiments."""

from typing import Any

from tandem_metadata.messages.experiments import DeleteExperimentTag, Empty, SetExperimentTag
from tandem_metadata.messages.runs import DeleteTag, LogModel, RunTag, SetTag
from tandem_metadata.routes.endpoint import MANY_BYTES, Context, Endpoint
from tandem_metadata.routes.runs import named
from tandem_metadata.store.tracking import log_entry, tags


async def set_on_run(context: Context, request: SetTag) -> Empty:
    """Set a tag of a run; `mlflow.runName` renames it, unless it is empty."""
    run_id = named(request.run_id, request.run_uuid)
    tag = RunTag(request.key, request.value)
    truncate = context.settings.truncate_long_values
    await context.writer.log(log_entry.tag(run_id, tag, truncate=truncate))
    return Empty()


def delete_from_run(context: Context, request: DeleteTag) -> Empty:
    """Delete a tag of a run."""
    with context.db.write() as conn:
        tags.delete_from_run(conn, request.run_id, request.key)
    return Empty()


def set_on_experiment(context: Context, request: SetExperimentTag) -> Empty:
    """Set a tag of an experiment."""
    with context.db.write() as conn:
        tags.set_on_experiment(conn, request.experiment_id, request.key, request.value)
    return Empty()


def delete_from_experiment(context: Context, request: DeleteExperimentTag) -> Empty:
    """Delete a tag of an experiment."""
    with context.db.write() as conn:
        tags.delete_from_experiment(conn, request.experiment_id, request.key)
    return Empty()


def record_model(context: Context, request: LogModel) -> Empty:
    """Record a model in a run's tag, as clients before MLflow 3 do."""
    model = tags.recorded(request.model_json)
    with context.db.write() as conn:
        tags.record_model(conn, request.run_id, model)
    return Empty()


_RUNS = "2.0/mlflow/runs"
_EXPERIMENTS = "2.0/mlflow/experiments"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_RUNS}/set-tag", SetTag, set_on_run),
    Endpoint("POST", f"{_RUNS}/delete-tag", DeleteTag, delete_from_run),
    Endpoint("POST", f"{_RUNS}/log-model", LogModel, record_model, body_bytes=MANY_BYTES),
    Endpoint("POST", f"{_EXPERIMENTS}/set-experiment-tag", SetExperimentTag, set_on_experiment),
    Endpoint(
        "POST", f"{_EXPERIMENTS}/delete-experiment-tag", DeleteExperimentTag, delete_from_experiment
    ),
]
