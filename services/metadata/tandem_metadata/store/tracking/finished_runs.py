"""Runs that are created with all that they logged, in one transaction."""

from collections.abc import Mapping

from sqlalchemy import Connection

from tandem_metadata.messages.runs import Run, UpdateRun
from tandem_metadata.store.tracking import create_many, experiments, params, runs
from tandem_shared.errors import ApiError


def location(conn: Connection, experiment_id: str) -> str:
    """The artifact location of an active experiment.

    Raises NotFound, and InvalidParameter for a deleted experiment.
    """
    found = experiments.get(conn, experiment_id)
    if error := experiments.refusal(experiment_id, found.lifecycle_stage):
        raise error
    return found.artifact_location or ""


def create(conn: Connection, new: runs.NewRun, logged: Mapping[str, str], end_time: int) -> Run:
    """Create a run with params, checked before, that has finished; raises as `location` does."""
    [created] = create_many.create(conn, [new], {})
    if isinstance(created, ApiError):
        raise created
    params.add(conn, {(new.run_id, key): value for key, value in logged.items()})
    runs.update(conn, new.run_id, UpdateRun(status="FINISHED", end_time=end_time))
    return runs.get(conn, new.run_id)
