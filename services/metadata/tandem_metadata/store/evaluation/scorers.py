"""Scorers of experiments, of which each version stays as it was registered."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from tandem_metadata.database.tables.scorers import scorer_versions, scorers
from tandem_metadata.database.tables.tracking import experiments as experiments_table
from tandem_metadata.messages.scorers import Scorer
from tandem_metadata.rules.permissions import Readable
from tandem_metadata.store.dialect.in_list import any_of, shown
from tandem_metadata.store.tracking import experiments
from tandem_shared.clock import now_ms
from tandem_shared.errors import InvalidState, NotFound

_VERSIONS: Final = scorers.join(scorer_versions, scorer_versions.c.scorer_id == scorers.c.scorer_id)
_COLUMNS: Final = (
    scorers.c.experiment_id,
    scorers.c.scorer_name,
    scorer_versions.c.scorer_version,
    scorer_versions.c.serialized_scorer,
    scorers.c.scorer_id,
    scorer_versions.c.creation_time,
)


def register(conn: Connection, experiment_id: str, name: str, serialized: str) -> Scorer:
    """Keep a scorer, or the next version of the one that has the name.

    Its text is taken as it is; see `rules.scorers`. Raises NotFound for an unknown experiment, and
    InvalidParameter for a deleted one.
    """
    # The lock has one registration after the other, so that each finds the number before its own.
    number = int(experiments.check_active(conn, experiment_id, lock=True).experiment_id)
    scorer_id = conn.scalar(select(scorers.c.scorer_id).where(*_named(number, name)))
    version = 1
    if scorer_id is None:
        scorer_id = str(uuid4())
        row = {"experiment_id": number, "scorer_name": name, "scorer_id": scorer_id}
        conn.execute(insert(scorers).values(row))
    else:
        last = select(func.max(scorer_versions.c.scorer_version)).where(
            scorer_versions.c.scorer_id == scorer_id
        )
        version = (conn.scalar(last) or 0) + 1
    now = now_ms()
    conn.execute(
        insert(scorer_versions).values(
            scorer_id=scorer_id,
            scorer_version=version,
            serialized_scorer=serialized,
            creation_time=now,
        )
    )
    return Scorer(number, name, version, serialized, scorer_id, now)


def of_experiment(conn: Connection, experiment_id: str) -> list[Scorer]:
    """The latest version of each scorer of an experiment, by name.

    Raises NotFound for an unknown experiment, and InvalidParameter for a deleted one.
    """
    number = _active(conn, experiment_id)
    return _found(conn, _latest().where(scorers.c.experiment_id == number))


def of_experiments(
    conn: Connection, experiment_ids: Sequence[str] | None, readable: Readable | None
) -> list[Scorer]:
    """The latest version of each scorer, by experiment and name.

    `experiment_ids` are those to look in; None for all. Deleted and unknown ones have none, nor
    have those that are not `readable`. Raises InvalidParameter for what is no number.
    """
    among: list[ColumnElement[bool]] = [experiments_table.c.lifecycle_stage == "active"]
    if experiment_ids is not None:
        ids = experiments.possible_ids(conn, experiment_ids)
        among.append(any_of(conn, scorers.c.experiment_id, ids))
    among.extend(shown(conn, scorers.c.experiment_id, readable))
    return _found(conn, _latest(of_experiments=True).where(*among))


def versions(conn: Connection, experiment_id: str, name: str) -> list[Scorer]:
    """All versions of a scorer, the first one first; raises as `get`."""
    number = _active(conn, experiment_id)
    statement = select(*_COLUMNS).select_from(_VERSIONS).where(*_named(number, name))
    found = _found(conn, statement)
    if not found:
        raise _not_found(experiment_id, name, None)
    return found


def get(conn: Connection, experiment_id: str, name: str, version: int | None) -> Scorer:
    """A version of a scorer, or its latest.

    Raises NotFound where there is none, or no such experiment, and InvalidParameter for a deleted
    experiment.
    """
    number = _active(conn, experiment_id)
    statement = (
        select(*_COLUMNS)
        .select_from(_VERSIONS)
        .where(*_named(number, name))
        .order_by(scorer_versions.c.scorer_version.desc())
        .limit(1)
    )
    if version is not None:
        statement = statement.where(scorer_versions.c.scorer_version == version)
    row = conn.execute(statement).first()
    if row is None:
        raise _not_found(experiment_id, name, version)
    return Scorer(*row)


def remove(conn: Connection, experiment_id: str, name: str, version: int | None) -> None:
    """Delete a version of a scorer, or all of it; raises as `get`.

    Raises InvalidState for a version that a guardrail of MLflow's gateway applies.
    """
    number = int(experiments.check_active(conn, experiment_id, lock=True).experiment_id)
    scorer_id = conn.scalar(select(scorers.c.scorer_id).where(*_named(number, name)))
    if scorer_id is None:
        raise _not_found(experiment_id, name, None)
    which = [scorer_versions.c.scorer_id == scorer_id]
    if version is not None:
        which.append(scorer_versions.c.scorer_version == version)
    try:
        gone = conn.execute(delete(scorer_versions).where(*which))
        if version is None:
            conn.execute(delete(scorers).where(scorers.c.scorer_id == scorer_id))
    except IntegrityError:
        raise InvalidState(
            f"Scorer {name[:100]!r} cannot be deleted: a guardrail of MLflow's gateway applies it."
        ) from None
    if not gone.rowcount:
        raise _not_found(experiment_id, name, version)


def _active(conn: Connection, experiment_id: str) -> int:
    """The number of an experiment that is not deleted."""
    number = experiments.parse_id(conn, experiment_id)
    stage = conn.scalar(
        select(experiments_table.c.lifecycle_stage).where(
            experiments_table.c.experiment_id == number
        )
    )
    if error := experiments.refusal(experiment_id, stage):
        raise error
    return number


def _named(number: int, name: str) -> list[ColumnElement[bool]]:
    return [scorers.c.experiment_id == number, scorers.c.scorer_name == name]


def _latest(*, of_experiments: bool = False) -> Select[Any]:
    source = _VERSIONS
    if of_experiments:
        same = experiments_table.c.experiment_id == scorers.c.experiment_id
        source = source.join(experiments_table, same)
    newer = scorer_versions.alias()
    last = (
        select(func.max(newer.c.scorer_version))
        .where(newer.c.scorer_id == scorers.c.scorer_id)
        .scalar_subquery()
    )
    return select(*_COLUMNS).select_from(source).where(scorer_versions.c.scorer_version == last)


def _found(conn: Connection, statement: Select[Any]) -> list[Scorer]:
    """Scorers by experiment, name and version; databases sort texts by rules of their own."""
    rows: list[Any] = [*conn.execute(statement)]
    return sorted(
        (Scorer(*row) for row in rows),
        key=lambda each: (each.experiment_id, each.scorer_name, each.scorer_version),
    )


def _not_found(experiment_id: str, name: str, version: int | None) -> NotFound:
    of = "" if version is None else f" and version {version}"
    return NotFound(
        f"Scorer with name {name[:100]!r}{of} not found for experiment {experiment_id}; "
        "scorers/list has those that there are."
    )
