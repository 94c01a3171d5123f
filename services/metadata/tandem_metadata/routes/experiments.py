"""Endpoints of experiments."""

from typing import Any

from tandem_metadata.access import ownership, rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import experiments as messages
from tandem_metadata.routes.endpoint import (
    MANY_BYTES,
    READ,
    RETRIED_WRITE,
    WRITE,
    Context,
    Endpoint,
)
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Readable
from tandem_metadata.store.traces import assessments
from tandem_metadata.store.tracking import experiment_search, experiments


async def create(
    context: Context, request: messages.CreateExperiment
) -> messages.CreateExperimentResponse:
    """Create an experiment."""
    root = context.settings.default_artifact_root or ""
    return messages.CreateExperimentResponse(await context.write(_create, request, root))


def _create(conn: Connection, request: messages.CreateExperiment, root: str) -> str:
    made = experiments.create(conn, request.name, request.artifact_location, request.tags, root)
    ownership.give(conn, permissions.EXPERIMENT, made)
    return made


def get(conn: Connection, request: messages.GetExperiment) -> messages.GetExperimentResponse:
    """Read an experiment by its id."""
    return messages.GetExperimentResponse(experiments.get(conn, request.experiment_id))


def get_by_name(
    conn: Connection, request: messages.GetExperimentByName
) -> messages.GetExperimentResponse:
    """Read an experiment by its name."""
    return messages.GetExperimentResponse(experiments.get_by_name(conn, request.experiment_name))


async def search(
    context: Context, request: messages.SearchExperiments
) -> messages.SearchExperimentsResponse:
    """Find experiments."""
    return await context.read(_find, request, await context.readable(permissions.EXPERIMENT))


def _find(
    conn: Connection, request: messages.SearchExperiments, readable: Readable | None
) -> messages.SearchExperimentsResponse:
    found, token = experiment_search.search(
        conn,
        view_type=request.view_type,
        max_results=request.max_results,
        order_by=request.order_by,
        filter=request.filter,
        page_token=request.page_token,
        readable=readable,
    )
    return messages.SearchExperimentsResponse(found, token)


def update(conn: Connection, request: messages.UpdateExperiment) -> None:
    """Rename an experiment."""
    experiments.rename(conn, request.experiment_id, request.new_name)


def delete(conn: Connection, request: messages.DeleteExperiment) -> None:
    """Delete an experiment and its runs, with the assessments that these have made."""
    experiments.delete(conn, request.experiment_id)
    assessments.remove_of_experiment(conn, experiments.parse_id(conn, request.experiment_id))


def restore(conn: Connection, request: messages.RestoreExperiment) -> None:
    """Restore an experiment and its runs."""
    experiments.restore(conn, request.experiment_id)


_PATH = "2.0/mlflow/experiments"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        f"{_PATH}/create",
        messages.CreateExperiment,
        WRITE,
        create,
        rules.NEW_EXPERIMENT,
        MANY_BYTES,
    ),
    Endpoint(
        "GET", f"{_PATH}/get", messages.GetExperiment, READ, get, rules.experiment(Action.READ)
    ),
    Endpoint(
        "GET",
        f"{_PATH}/get-by-name",
        messages.GetExperimentByName,
        READ,
        get_by_name,
        rules.EXPERIMENT_BY_NAME,
    ),
    Endpoint("GET", f"{_PATH}/search", messages.SearchExperiments, READ, search, rules.LISTED),
    Endpoint("POST", f"{_PATH}/search", messages.SearchExperiments, READ, search, rules.LISTED),
    Endpoint(
        "POST",
        f"{_PATH}/update",
        messages.UpdateExperiment,
        WRITE,
        update,
        rules.experiment(Action.UPDATE),
    ),
    Endpoint(
        "POST",
        f"{_PATH}/delete",
        messages.DeleteExperiment,
        RETRIED_WRITE,
        delete,
        rules.WHOLE_EXPERIMENT,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/restore",
        messages.RestoreExperiment,
        WRITE,
        restore,
        rules.WHOLE_EXPERIMENT,
    ),
]
