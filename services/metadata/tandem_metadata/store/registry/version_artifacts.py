"""Artifact locations of model versions, with `runs:/` and `models:/` URIs resolved."""

from sqlalchemy import Connection, select

from tandem_metadata.database.tables.logged_models import logged_models
from tandem_metadata.database.tables.tracking import inputs
from tandem_metadata.rules import artifact_locations
from tandem_metadata.store.logged_models import logged_models as models
from tandem_metadata.store.registry import model_versions, sources
from tandem_metadata.store.tracking import runs


def roots(conn: Connection, name: str, version: str) -> list[str]:
    """The candidate locations of a version's artifacts; the first one that has a file counts.

    A source `runs:/<run id>/<name>` has two. One is that path in the run's artifacts. The other is
    the logged model of that name among the run's outputs, of several the latest step's. Raises
    InvalidParameter for an invalid version, and NotFound for an unknown version, run or model.
    """
    return _of_location(conn, model_versions.download_uri(conn, name, version))


def roots_of_source(conn: Connection, source: str) -> list[str]:
    """As `roots`, for the version that a `models:/` source names; none for any other source."""
    row = sources.named_version(conn, source)
    return [] if row is None else _of_location(conn, model_versions.location(row))


def _of_location(conn: Connection, uri: str) -> list[str]:
    scheme, _, path = uri.partition(":")
    names = [part for part in path.split("/") if part]
    if scheme == "models" and len(names) == 1:
        return [models.artifact_uri(conn, names[0])]
    if scheme == "runs" and names:
        return _of_run(conn, *names)
    return [uri]


def _of_run(conn: Connection, run_id: str, *below: str) -> list[str]:
    locations = [artifact_locations.below(runs.artifact_uri(conn, run_id), *below)]
    if below:
        logged = logged_models.c
        # Through the run's outputs: logged_models has no index on the source run.
        found = conn.scalar(
            select(logged.artifact_location)
            .join(inputs, inputs.c.destination_id == logged.model_id)
            .where(
                inputs.c.source_type == "RUN_OUTPUT",
                inputs.c.source_id == run_id,
                inputs.c.destination_type == "MODEL_OUTPUT",
                logged.name == below[0],
                logged.lifecycle_stage == "active",
            )
            .order_by(inputs.c.step.desc(), logged.creation_timestamp_ms.desc())
            .limit(1)
        )
        if found is not None:
            locations.append(artifact_locations.below(found, *below[1:]))
    return locations
