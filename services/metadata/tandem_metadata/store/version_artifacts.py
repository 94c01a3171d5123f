"""Where the artifacts of a model version are, also when its location names a run or a model."""

from sqlalchemy import Connection, func, select

from tandem_metadata.store import artifact_locations, logged_models, runs
from tandem_metadata.store.model_versions import DELETED
from tandem_metadata.tables.logged_models import logged_models as models
from tandem_metadata.tables.registry import model_versions
from tandem_shared.errors import InvalidParameter, NotFound

_LAST = 2**31 - 1


def roots(conn: Connection, name: str, version: str) -> list[str]:
    """The locations that a version's artifacts may be below; the first that has a file counts.

    There are two when the version's source is `runs:/<run id>/<name>`: what the run logged under
    that path, and the model of that name that it logged, which is no part of the run's artifacts.
    Raises InvalidParameter for a version that is no number, and NotFound for a version, run or
    model that is not there.
    """
    uri = _download_uri(conn, name, version)
    scheme, _, path = uri.partition(":")
    names = [part for part in path.split("/") if part]
    if scheme == "models" and len(names) == 1:
        return [logged_models.artifact_uri(conn, names[0])]
    if scheme == "runs" and names:
        return _of_run(conn, *names)
    return [uri]


def _download_uri(conn: Connection, name: str, version: str) -> str:
    if not version.isdecimal() or not version.isascii():
        raise InvalidParameter(
            f"Invalid value {version[:100]!r} for parameter 'version': it must be a whole number."
        )
    columns = model_versions.c
    row = conn.execute(
        select(func.coalesce(columns.storage_location, columns.source).label("uri")).where(
            columns.name == name,
            columns.version == min(int(version[:20]), _LAST),
            columns.current_stage != DELETED,
        )
    ).first()
    if row is None:
        raise NotFound(f"No model {name[:256]!r} has a version {version[:20]}.")
    return row.uri or ""


def _of_run(conn: Connection, run_id: str, *below: str) -> list[str]:
    locations = [artifact_locations.below(runs.artifact_uri(conn, run_id), *below)]
    if below:
        columns = models.c
        found = conn.scalar(
            select(columns.artifact_location)
            .where(
                columns.source_run_id == run_id,
                columns.name == below[0],
                columns.lifecycle_stage == "active",
            )
            .order_by(columns.creation_timestamp_ms.desc())
            .limit(1)
        )
        if found is not None:
            locations.append(artifact_locations.below(found, *below[1:]))
    return locations
