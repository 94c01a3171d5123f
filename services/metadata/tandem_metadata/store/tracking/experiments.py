"""Experiments: creating, reading, renaming, deleting and restoring them."""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import DataError, IntegrityError

from tandem_metadata.database import tables
from tandem_metadata.database.tables.tracking import experiment_tags, experiments, runs
from tandem_metadata.messages.experiments import Experiment, ExperimentTag
from tandem_metadata.rules import artifact_locations, integers, limits
from tandem_metadata.store.dialect import bulk, integer_columns
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.dialect.logging_order import first_logged
from tandem_metadata.store.tracking import removed_numbers
from tandem_shared.clock import now_ms
from tandem_shared.errors import AlreadyExists, ApiError, InvalidParameter, InvalidState, NotFound

_WORKSPACE = "default"


def parse_id(conn: Connection, experiment_id: str) -> int:
    """The number of an experiment id.

    Raises InvalidParameter when it is not an integer, NotFound when no experiment of the database
    can have it.
    """
    largest = integer_columns.largest(conn)
    try:
        number = integers.parse(experiment_id, largest)
    except ValueError:
        raise InvalidParameter(
            f"Invalid experiment ID {experiment_id[:100]!r}: it must be a valid integer."
        ) from None
    if number is None:
        raise _not_found(experiment_id, f"ids go from 0 to {largest} in this database")
    return number


def possible_ids(conn: Connection, experiment_ids: Sequence[str]) -> list[int]:
    """Their numbers, sorted and distinct, without those that no experiment can have.

    Raises InvalidParameter for an id that is not an integer.
    """
    numbers = set()
    for experiment_id in experiment_ids:
        with contextlib.suppress(NotFound):
            numbers.add(parse_id(conn, experiment_id))
    return sorted(numbers)


def create(
    conn: Connection, name: str, artifact_location: str, tags: Sequence[ExperimentTag], root: str
) -> str:
    """Create an experiment and return its id; without a location it gets `<root>/<id>`.

    Raises InvalidParameter for a name, location or tag that cannot be stored, and AlreadyExists
    when an active or deleted experiment has the name.
    """
    limits.check_text("name", name, limits.EXPERIMENT_NAME)
    if artifact_location:
        artifact_locations.check(artifact_location)
    _check_tags(tags)
    now = now_ms()
    row = conn.execute(
        tables.insert(conn, experiments)
        .values(
            **removed_numbers.next_number(conn),
            name=name,
            artifact_location=artifact_location,
            lifecycle_stage="active",
            creation_time=now,
            last_update_time=now,
        )
        # No conflict target: newer revisions make the name unique in its workspace.
        .on_conflict_do_nothing()
        .returning(experiments.c.experiment_id)
    ).first()
    if row is None:
        raise _name_taken(conn, name)
    if not artifact_location:
        default = artifact_locations.below(root, str(row.experiment_id))
        limits.check_length("default_artifact_root", default, limits.ARTIFACT_LOCATION)
        _set(conn, row.experiment_id, artifact_location=default)
    if tags:
        _add_tags(conn, row.experiment_id, tags)
    return str(row.experiment_id)


def get(conn: Connection, experiment_id: str) -> Experiment:
    """The experiment, active or deleted. Raises NotFound."""
    return from_rows(conn, [_row(conn, experiment_id)])[0]


def by_ids(conn: Connection, ids: Sequence[str]) -> dict[str, Experiment]:
    """Experiments by id, by two statements for any number. `ids` come from runs' rows."""
    numbers = [int(experiment_id) for experiment_id in ids]
    rows = conn.execute(
        select(experiments).where(any_of(conn, experiments.c.experiment_id, numbers))
    ).all()
    return {experiment.experiment_id: experiment for experiment in from_rows(conn, rows)}


def get_by_name(conn: Connection, name: str) -> Experiment:
    """The experiment of that name, active or deleted. Raises NotFound."""
    row = conn.execute(select(experiments).where(experiments.c.name == name)).first()
    if row is None:
        raise NotFound(
            f"Could not find experiment with name {name!r}; names are compared letter by letter."
        )
    return from_rows(conn, [row])[0]


def from_rows(conn: Connection, rows: Sequence[Row[Any]]) -> list[Experiment]:
    """Experiments for rows of the experiments table, in their order, with their tags.

    Tags come in the order in which they were first set, or by key; see `logging_order`.
    """
    if not rows:
        return []
    columns = experiment_tags.c
    tags: defaultdict[int, list[ExperimentTag]] = defaultdict(list)
    for row in conn.execute(
        select(columns.experiment_id, columns.key, columns.value)
        .where(any_of(conn, columns.experiment_id, [row.experiment_id for row in rows]))
        .order_by(first_logged(conn, experiment_tags, columns.key))
    ):
        tags[row.experiment_id].append(ExperimentTag(row.key, row.value or ""))
    return [
        Experiment(
            experiment_id=str(row.experiment_id),
            name=row.name,
            artifact_location=row.artifact_location or "",
            lifecycle_stage=row.lifecycle_stage,
            workspace=_WORKSPACE,
            last_update_time=row.last_update_time,
            creation_time=row.creation_time,
            tags=tags[row.experiment_id],
        )
        for row in rows
    ]


def rename(conn: Connection, experiment_id: str, name: str) -> None:
    """Give an active experiment another name.

    Raises InvalidParameter for a name that cannot be stored, NotFound, InvalidState for a deleted
    experiment, and AlreadyExists when another experiment has the name.
    """
    limits.check_text("new_name", name, limits.EXPERIMENT_NAME)
    row = _row(conn, experiment_id, for_update=True)
    if row.lifecycle_stage != "active":
        # MLflow's code, but not its status 500: the fault is the request's.
        raise InvalidState(
            f"Cannot rename a non-active experiment: {experiment_id} is deleted; restore it first.",
            status=400,
        )
    try:
        _set(conn, row.experiment_id, name=name, last_update_time=now_ms())
    except IntegrityError:
        raise AlreadyExists(
            f"Experiment(name={name}) already exists, active or deleted; choose another name."
        ) from None


def delete(conn: Connection, experiment_id: str) -> None:
    """Mark an active experiment and all its runs as deleted.

    Raises NotFound when no active experiment has that id.
    """
    _move(conn, experiment_id, "active", "deleted", now_ms())


def restore(conn: Connection, experiment_id: str) -> None:
    """Make a deleted experiment and all its runs active again.

    Raises NotFound when no deleted experiment has that id.
    """
    _move(conn, experiment_id, "deleted", "active", None)


def check_active(conn: Connection, experiment_id: str, *, lock: bool = False) -> Row[Any]:
    """The row of an active experiment, which stays active until the transaction ends.

    With `lock`, other checks of it wait until then. Raises NotFound, or InvalidParameter for a
    deleted experiment.
    """
    row = _row(conn, experiment_id, for_update=lock, for_share=not lock)
    if error := refusal(experiment_id, row.lifecycle_stage):
        raise error
    return row


def refusal(experiment_id: str, stage: str | None) -> ApiError | None:
    """The error of changing an experiment in that lifecycle stage; None if it is active.

    A stage of None means that there is no such experiment.
    """
    if stage == "active":
        return None
    if stage is None:
        return _not_found(experiment_id)
    return InvalidParameter(
        f"The experiment {experiment_id} must be in the 'active' state, and is deleted; restore it "
        "first."
    )


def newest_locations(conn: Connection, limit: int) -> list[str]:
    """The locations of the experiments created last."""
    query = (
        select(experiments.c.artifact_location)
        .order_by(experiments.c.experiment_id.desc())
        .limit(limit)
    )
    return [location for location in conn.scalars(query) if location]


def _row(
    conn: Connection, experiment_id: str, *, for_update: bool = False, for_share: bool = False
) -> Row[Any]:
    number = parse_id(conn, experiment_id)
    statement = select(experiments).where(experiments.c.experiment_id == number)
    if for_update or for_share:
        statement = statement.with_for_update(read=for_share)
    row = conn.execute(statement).first()
    if row is None:
        raise _not_found(experiment_id)
    return row


def _set(conn: Connection, number: int, **values: object) -> None:
    conn.execute(update(experiments).where(experiments.c.experiment_id == number).values(**values))


def _move(
    conn: Connection, experiment_id: str, before: str, after: str, deleted_time: int | None
) -> None:
    number = parse_id(conn, experiment_id)
    moved = conn.execute(
        update(experiments)
        .where(experiments.c.experiment_id == number, experiments.c.lifecycle_stage == before)
        .values(lifecycle_stage=after, last_update_time=now_ms())
    )
    if not moved.rowcount:
        raise NotFound(f"No Experiment with id={experiment_id} exists that is {before}.")
    conn.execute(
        update(runs)
        .where(runs.c.experiment_id == number)
        .values(lifecycle_stage=after, deleted_time=deleted_time)
    )


def _check_tags(tags: Sequence[ExperimentTag]) -> None:
    limits.check_count("tags", tags)
    seen = set()
    views = 0
    for index, tag in enumerate(tags):
        field = f"tags[{index}]"
        limits.check_key(f"{field}.key", tag.key)
        limits.check_tag_value(f"{field}.value", tag.key, tag.value, limits.EXPERIMENT_TAG_VALUE)
        if tag.key in seen:
            raise InvalidParameter(f"Parameter 'tags' holds the key {tag.key!r} twice.")
        seen.add(tag.key)
        views += limits.is_custom_view(tag.key)
    limits.check_custom_views(views)


def _add_tags(conn: Connection, number: int, tags: Sequence[ExperimentTag]) -> None:
    rows = [{"experiment_id": number, "key": tag.key, "value": tag.value} for tag in tags]
    try:
        bulk.insert(conn, experiment_tags, rows)
    except DataError:
        raise limits.narrow_experiment_tags() from None


def _name_taken(conn: Connection, name: str) -> AlreadyExists:
    row = conn.execute(
        select(experiments.c.lifecycle_stage).where(experiments.c.name == name)
    ).first()
    if row is not None and row.lifecycle_stage == "deleted":
        return AlreadyExists(
            f"Experiment(name={name}) already exists in deleted state; restore it, or delete it "
            "for good with `tandem-metadata gc`, or choose another name."
        )
    return AlreadyExists(f"Experiment(name={name}) already exists; choose another name.")


def _not_found(experiment_id: str, why: str = "check the ID and the tracking URI") -> NotFound:
    return NotFound(f"No Experiment with id={experiment_id.strip()[:100]} exists; {why}.")
