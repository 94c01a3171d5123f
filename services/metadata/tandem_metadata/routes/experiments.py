"""Endpoints of experiments."""

from typing import Any

from tandem_metadata.database import Connection
from tandem_metadata.messages import experiments as messages
from tandem_metadata.routes.endpoint import MANY_BYTES, READ, WRITE, Context, Endpoint
from tandem_metadata.store.tracking import experiment_search, experiments


async def create(
    context: Context, request: messages.CreateExperiment
) -> messages.CreateExperimentResponse:
    """Create an experiment."""
    root = context.settings.default_artifact_root or ""
    made = await context.write(
        experiments.create, request.name, request.artifact_location, request.tags, root
    )
    return messages.CreateExperimentResponse(made)


def get(conn: Connection, request: messages.GetExperiment) -> messages.GetExperimentResponse:
    """Read an experiment by its id."""
    return messages.GetExperimentResponse(experiments.get(conn, request.experiment_id))


def get_by_name(
    conn: Connection, request: messages.GetExperimentByName
) -> messages.GetExperimentResponse:
    """Read an experiment by its name."""
    return messages.GetExperimentResponse(experiments.get_by_name(conn, request.experiment_name))


def search(
    conn: Connection, request: messages.SearchExperiments
) -> messages.SearchExperimentsResponse:
    """Find experiments."""
    found, token = experiment_search.search(
        conn,
        view_type=request.view_type,
        max_results=request.max_results,
        order_by=request.order_by,
        filter=request.filter,
        page_token=request.page_token,
    )
    return messages.SearchExperimentsResponse(found, token)


def update(conn: Connection, request: messages.UpdateExperiment) -> None:
    """Rename an experiment."""
    experiments.rename(conn, request.experiment_id, request.new_name)


def delete(conn: Connection, request: messages.DeleteExperiment) -> None:
    """Delete an experiment and its runs."""
    experiments.delete(conn, request.experiment_id)


def restore(conn: Connection, request: messages.RestoreExperiment) -> None:
    """Restore an experiment and its runs."""
    experiments.restore(conn, request.experiment_id)


_PATH = "2.0/mlflow/experiments"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", f"{_PATH}/create", messages.CreateExperiment, WRITE, create, MANY_BYTES),
    Endpoint("GET", f"{_PATH}/get", messages.GetExperiment, READ, get),
    Endpoint("GET", f"{_PATH}/get-by-name", messages.GetExperimentByName, READ, get_by_name),
    Endpoint("GET", f"{_PATH}/search", messages.SearchExperiments, READ, search),
    Endpoint("POST", f"{_PATH}/search", messages.SearchExperiments, READ, search),
    Endpoint("POST", f"{_PATH}/update", messages.UpdateExperiment, WRITE, update),
    Endpoint("POST", f"{_PATH}/delete", messages.DeleteExperiment, WRITE, delete),
    Endpoint("POST", f"{_PATH}/restore", messages.RestoreExperiment, WRITE, restore),
]
