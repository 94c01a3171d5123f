"""Runs: creating, reading, updating, deleting and restoring them."""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Row, select

from tandem_metadata.database.direct import Statements
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.messages.datasets import RunInputs
from tandem_metadata.messages.runs import CreateRun, Run, RunData, RunInfo, RunTag, UpdateRun
from tandem_metadata.rules import artifact_locations, limits, run_names
from tandem_metadata.rules.enums import RUN_STATUS, name_of
from tandem_metadata.store.dialect import bulk, logging_order
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.dialect.pg_arrays import ANY_OF_TEXTS, is_postgresql, texts
from tandem_metadata.store.tracking import load
from tandem_shared.clock import now_ms
from tandem_shared.errors import ApiError, InvalidParameter, NotFound

NAME_TAG = "mlflow.runName"
"""The tag that repeats a run's name."""

CONSTANT: Final = {
    "source_type": "UNKNOWN",
    "source_name": "",
    "entry_point_name": "",
    "source_version": "",
    "status": "RUNNING",
    "lifecycle_stage": "active",
}
"""What the row of every new run holds."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be created, checked as far as can be without the database."""

    run_id: str
    experiment_id: str
    name: str
    user_id: str
    start_time: int
    tags: Mapping[str, str]
    """Among them `mlflow.runName`, the run's name."""

    def created(self, experiment_id: int, artifact_uri: str) -> Run:
        """The run as an answer has it, once it is stored."""
        first_tags = [RunTag(key, value) for key, value in self.tags.items()]
        new = RunInfo(
            run_id=self.run_id,
            run_uuid=self.run_id,
            experiment_id=str(experiment_id),
            status="RUNNING",
            lifecycle_stage="active",
            run_name=self.name,
            user_id=self.user_id,
            start_time=self.start_time,
            artifact_uri=artifact_uri or None,
        )
        return Run(info=new, data=RunData(tags=first_tags), inputs=RunInputs())


def new(request: CreateRun, *, truncate: bool) -> NewRun:
    """The run that a request asks for.

    Its name is `run_name`, else the tag `mlflow.runName`, else a generated one; the tag is set in
    any case. With `truncate`, over-long tag values are cut. Raises InvalidParameter for two
    different names, and for names or tags that cannot be stored.
    """
    first_tags = _first_tags(request.tags, truncate=truncate)
    name = first_tags[NAME_TAG] = _name(request.run_name, first_tags.get(NAME_TAG, ""))
    limits.check_text("run_name", name, limits.RUN_NAME)
    limits.check_text("user_id", request.user_id, limits.USER_ID)
    return NewRun(
        run_id=uuid.uuid4().hex,
        experiment_id=request.experiment_id,
        name=name,
        user_id=request.user_id,
        start_time=request.start_time,
        tags=first_tags,
    )


def artifact_uri_in(experiment_location: str | None, run_id: str) -> str:
    """The artifact location of a run, below that of its experiment."""
    return artifact_locations.below(experiment_location or "", run_id, "artifacts")


def get(conn: Connection, run_id: str) -> Run:
    """The run, be it active or deleted, with all it logged. Raises NotFound."""
    if run := load.get(conn, [run_id]).get(run_id):
        return run
    raise not_found(run_id)


def info(conn: Connection, run_id: str) -> RunInfo:
    """The run, be it active or deleted, without what it logged. Raises NotFound."""
    return load.info(_row(conn, run_id))


def artifact_uri(conn: Connection, run_id: str) -> str:
    """Where the run keeps its artifacts. Raises NotFound."""
    uri: str | None = _row(conn, run_id).artifact_uri
    return uri or ""


def experiments_of(conn: Connection, run_ids: Sequence[str]) -> dict[str, str]:
    """The ids of the experiments of those runs that exist, be they deleted or not."""
    found = conn.execute(
        select(runs.c.run_uuid, runs.c.experiment_id).where(any_of(conn, runs.c.run_uuid, run_ids))
    )
    return {run_id: str(experiment_id) for run_id, experiment_id in found}


def check_active(conn: Connection, run_id: str, *, lock: bool = False) -> Row[Any]:
    """The row of an active run; with `lock` nobody else changes it until the transaction ends.

    Raises NotFound, or InvalidParameter for a deleted run.
    """
    row = _row(conn, run_id, lock=lock)
    if error := refusal(run_id, row.lifecycle_stage):
        raise error
    return row


def update(conn: Connection, run_id: str, request: UpdateRun) -> RunInfo:
    """Change the status, end time and name that the request gives; an empty name changes nothing.

    Raises NotFound, and InvalidParameter for a deleted run, an unknown status, or a name that
    cannot be stored.
    """
    values: dict[str, object] = {}
    if request.status is not None:
        values["status"] = name_of("status", request.status, RUN_STATUS)
    if request.end_time is not None:
        values["end_time"] = request.end_time
    if request.run_name:
        limits.check_text("run_name", request.run_name, limits.RUN_NAME)
        values["name"] = request.run_name
    row = check_active(conn, run_id, lock=bool(values))
    if not values:
        return load.info(row)
    changed = conn.execute(
        sqlalchemy.update(runs).where(runs.c.run_uuid == run_id).values(**values).returning(runs)
    ).one()
    if request.run_name:
        put_tags(conn, {(run_id, NAME_TAG): request.run_name})
    return load.info(changed)


def delete(conn: Connection, run_id: str) -> None:
    """Mark a run as deleted; a deleted one gets a new time of deletion. Raises NotFound."""
    _move(conn, run_id, "deleted", now_ms())


def restore(conn: Connection, run_id: str) -> None:
    """Make a run active again; an active one stays as it is. Raises NotFound."""
    _move(conn, run_id, "active", None)


def stages(conn: Statements, run_ids: Collection[str]) -> dict[str, str]:
    """The lifecycle stages of those runs that exist, by run id."""
    if is_postgresql(conn):
        chosen, given = ANY_OF_TEXTS, texts([*run_ids])
    else:
        chosen, given = "IN (SELECT value FROM json_each(?))", json.dumps([*run_ids])
    found = conn.exec_driver_sql(
        f"SELECT run_uuid, lifecycle_stage FROM runs WHERE run_uuid {chosen}", (given,)
    )
    return {row[0]: row[1] for row in found}


def refusal(run_id: str, stage: str | None) -> ApiError | None:
    """The error of changing a run of that lifecycle stage (None: no run); None if it is active."""
    if stage == "active":
        return None
    if stage is None:
        return not_found(run_id)
    return InvalidParameter(
        f"The run {run_id} must be in the 'active' state, and is deleted; restore it first."
    )


def put_tags(conn: Connection, given: Mapping[tuple[str, str], str]) -> None:
    """Set tags, by run id and key, over what they were before. Nothing is checked.

    PostgreSQL gets the rows sorted, so that no two transactions deadlock.
    """
    rows = [(*key, given[key]) for key in (given if logging_order.is_kept(conn) else sorted(given))]
    if rows:
        bulk.insert_texts(conn, "tags (run_uuid, key, value)", rows, _REPLACE)


_REPLACE: Final = "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"


def _row(conn: Connection, run_id: str, *, lock: bool = False) -> Row[Any]:
    statement = select(runs).where(runs.c.run_uuid == run_id)
    if lock:
        # FOR NO KEY UPDATE: foreign keys that refer to the run do not wait for it, so that this
        # lock deadlocks with no transaction that logs to the run.
        statement = statement.with_for_update(key_share=True)
    row = conn.execute(statement).first()
    if row is None:
        raise not_found(run_id)
    return row


def _move(conn: Connection, run_id: str, stage: str, deleted_time: int | None) -> None:
    moved = conn.execute(
        sqlalchemy.update(runs)
        .where(runs.c.run_uuid == run_id)
        .values(lifecycle_stage=stage, deleted_time=deleted_time)
    )
    if not moved.rowcount:
        raise not_found(run_id)


def _first_tags(given: Sequence[RunTag], *, truncate: bool) -> dict[str, str]:
    values: dict[str, str] = {}
    limits.check_count("tags", given)
    for index, tag in enumerate(given):
        field = f"tags[{index}]"
        limits.check_free_key(f"{field}.key", tag.key)
        if tag.key in values:
            raise InvalidParameter(f"Parameter 'tags' holds the key {tag.key!r} twice.")
        values[tag.key] = limits.tag_value(f"{field}.value", tag.key, tag.value, truncate=truncate)
    return values


def _name(given: str, tagged: str) -> str:
    if given and tagged and given != tagged:
        raise InvalidParameter(
            f"Both 'run_name' argument and '{NAME_TAG}' tag are specified, {given[:100]!r} and "
            f"{tagged[:100]!r}; give one of them, or the same."
        )
    return given or tagged or run_names.generate()


def not_found(run_id: str) -> NotFound:
    """The error for an ID that no run has."""
    return NotFound(f"Run with id={run_id[:100]} not found; check the ID and the tracking URI.")
