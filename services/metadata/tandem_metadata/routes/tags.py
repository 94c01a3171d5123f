"""Endpoints of the tags of runs and experiments."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages.experiments import DeleteExperimentTag, SetExperimentTag
from tandem_metadata.messages.runs import DeleteTag, LogModel, RunTag, SetTag
from tandem_metadata.routes.endpoint import MANY_BYTES, WRITE, Context, Endpoint
from tandem_metadata.routes.runs import run_id_of
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.tracking import log_entry, tags


async def set_on_run(context: Context, request: SetTag) -> None:
    """Set a tag of a run; `mlflow.runName` renames it, unless it is empty."""
    run_id = run_id_of(request.run_id, request.run_uuid)
    tag = RunTag(request.key, request.value)
    truncate = context.settings.truncate_long_values
    await context.writer.log(log_entry.tag(run_id, tag, truncate=truncate))


def delete_from_run(conn: Connection, request: DeleteTag) -> None:
    """Delete a tag of a run."""
    tags.delete_from_run(conn, request.run_id, request.key)


def set_on_experiment(conn: Connection, request: SetExperimentTag) -> None:
    """Set a tag of an experiment."""
    tags.set_on_experiment(conn, request.experiment_id, request.key, request.value)


def delete_from_experiment(conn: Connection, request: DeleteExperimentTag) -> None:
    """Delete a tag of an experiment."""
    tags.delete_from_experiment(conn, request.experiment_id, request.key)


def record_model(conn: Connection, request: LogModel) -> None:
    """Record a model in a run's tag, as clients before MLflow 3 do."""
    model = tags.recorded(request.model_json)
    tags.record_model(conn, request.run_id, model)


_RUNS = "2.0/mlflow/runs"
_EXPERIMENTS = "2.0/mlflow/experiments"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_RUNS}/set-tag", SetTag, WRITE, set_on_run, rules.run(Action.UPDATE)),
    Endpoint(
        "POST", f"{_RUNS}/delete-tag", DeleteTag, WRITE, delete_from_run, rules.run(Action.UPDATE)
    ),
    Endpoint(
        "POST",
        f"{_RUNS}/log-model",
        LogModel,
        WRITE,
        record_model,
        rules.run(Action.UPDATE),
        MANY_BYTES,
    ),
    Endpoint(
        "POST",
        f"{_EXPERIMENTS}/set-experiment-tag",
        SetExperimentTag,
        WRITE,
        set_on_experiment,
        rules.EXPERIMENT_TAG,
    ),
    Endpoint(
        "POST",
        f"{_EXPERIMENTS}/delete-experiment-tag",
        DeleteExperimentTag,
        WRITE,
        delete_from_experiment,
        rules.EXPERIMENT_TAG,
    ),
]
