"""Endpoints of experiments."""

from typing import Any

from tandem_metadata.messages import experiments as messages
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.routes.endpoint import MANY_BYTES, Context, Endpoint
from tandem_metadata.store.tracking import experiment_search, experiments


def create(
    context: Context, request: messages.CreateExperiment
) -> messages.CreateExperimentResponse:
    """Create an experiment."""
    with context.db.write() as conn:
        experiment_id = experiments.create(
            conn,
            request.name,
            request.artifact_location,
            request.tags,
            root=context.settings.default_artifact_root or "",
        )
    return messages.CreateExperimentResponse(experiment_id)


def get(context: Context, request: messages.GetExperiment) -> messages.GetExperimentResponse:
    """Read an experiment by its id."""
    with context.db.read() as conn:
        return messages.GetExperimentResponse(experiments.get(conn, request.experiment_id))


def get_by_name(
    context: Context, request: messages.GetExperimentByName
) -> messages.GetExperimentResponse:
    """Read an experiment by its name."""
    with context.db.read() as conn:
        return messages.GetExperimentResponse(
            experiments.get_by_name(conn, request.experiment_name)
        )


def search(
    context: Context, request: messages.SearchExperiments
) -> messages.SearchExperimentsResponse:
    """Find experiments."""
    with context.db.read() as conn:
        found, token = experiment_search.search(
            conn,
            view_type=request.view_type,
            max_results=request.max_results,
            order_by=request.order_by,
            filter=request.filter,
            page_token=request.page_token,
        )
    return messages.SearchExperimentsResponse(found, token)


def rename(context: Context, request: messages.UpdateExperiment) -> Empty:
    """Rename an experiment."""
    with context.db.write() as conn:
        experiments.rename(conn, request.experiment_id, request.new_name)
    return Empty()


def delete(context: Context, request: messages.DeleteExperiment) -> Empty:
    """Delete an experiment and its runs."""
    with context.db.write() as conn:
        experiments.delete(conn, request.experiment_id)
    return Empty()


def restore(context: Context, request: messages.RestoreExperiment) -> Empty:
    """Restore an experiment and its runs."""
    with context.db.write() as conn:
        experiments.restore(conn, request.experiment_id)
    return Empty()


_PATH = "2.0/mlflow/experiments"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_PATH}/create", messages.CreateExperiment, create, body_bytes=MANY_BYTES),
    Endpoint("GET", f"{_PATH}/get", messages.GetExperiment, get),
    Endpoint("GET", f"{_PATH}/get-by-name", messages.GetExperimentByName, get_by_name),
    Endpoint("GET", f"{_PATH}/search", messages.SearchExperiments, search),
    Endpoint("POST", f"{_PATH}/search", messages.SearchExperiments, search, reads=True),
    Endpoint("POST", f"{_PATH}/update", messages.UpdateExperiment, rename),
    Endpoint("POST", f"{_PATH}/delete", messages.DeleteExperiment, delete),
    Endpoint("POST", f"{_PATH}/restore", messages.RestoreExperiment, restore),
]
