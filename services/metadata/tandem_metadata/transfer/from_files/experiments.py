"""Which experiment of the database an experiment of a file store is, or becomes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, insert, or_, select, update

from tandem_metadata.database.tables.tracking import experiment_tags, experiments, runs
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.dialect.integer_columns import largest
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.transfer.file_store.records import Experiment

OLD_ID: Final = "tandem.import.experimentId"
"""Tag of an experiment that has another id than in the file store: the id there."""
OLD_NAME: Final = "tandem.import.experimentName"
"""Tag of an experiment that has another name than in the file store: the name there."""

_RANDOM: Final = 2**31
"""From here on ids are random: two that are equal are one experiment's. Lower ones are counted."""

_HIGHEST_KEPT: Final = 2_000_000_000
"""PostgreSQL keeps ids up to this one, so that its sequence goes on behind them."""


class Found(NamedTuple):
    """An experiment of the database."""

    number: int
    name: str
    is_new: bool


def names(found: Sequence[Experiment]) -> dict[str, str]:
    """The name of each experiment by its key: of several of one name the oldest keeps it."""
    taken = {each.name for each in found}
    given: dict[str, str] = {}
    seen: set[str] = set()
    for each in sorted(found, key=_age):
        name = each.name
        if name in seen:
            name = next(other for other in _others(name) if other not in taken)
            taken.add(name)
        seen.add(name)
        given[each.key] = name
    return given


def find(conn: Connection, given: Experiment, run_ids: Sequence[str]) -> Found | None:
    """The experiment that an earlier import made of this one, or that it has come from."""
    columns = experiments.c
    tagged = select(experiment_tags.c.experiment_id).where(
        experiment_tags.c.key == OLD_ID, experiment_tags.c.value == given.key
    )
    chosen: Any = columns.experiment_id.in_(tagged)
    if _may_keep(conn, given.number):
        chosen = or_(columns.experiment_id == given.number, chosen)
    for row in conn.execute(select(experiments).where(chosen).order_by(columns.experiment_id)):
        if _is_same(conn, given, row, run_ids):
            if row.name == _recovered(given) and not given.recovered:
                return Found(row.experiment_id, row.name, is_new=True)
            return Found(row.experiment_id, row.name, is_new=False)
    return None


def create(
    conn: Connection, given: Experiment, name: str, location: str, tags: Mapping[str, str]
) -> Found:
    """Make the experiment, with its own id if that is free and fits."""
    number = given.number if _may_keep(conn, given.number) else None
    if number is not None and _exists(conn, experiments.c.experiment_id == number):
        number = None
    if _exists(conn, experiments.c.name == name):
        name = next(
            other for other in _others(given.name) if not _exists(conn, experiments.c.name == other)
        )
    values = {
        "name": name,
        "artifact_location": location,
        "lifecycle_stage": given.lifecycle_stage,
        "creation_time": given.creation_time,
        "last_update_time": given.last_update_time,
    }
    if number is not None:
        values["experiment_id"] = number
    made: int = conn.execute(
        insert(experiments).values(values).returning(experiments.c.experiment_id)
    ).scalar_one()
    all_tags = dict(tags)
    if str(made) != given.key:
        all_tags[OLD_ID] = given.key
    if name != given.name:
        all_tags[OLD_NAME] = given.name
    rows = [{"experiment_id": made, "key": key, "value": value} for key, value in all_tags.items()]
    bulk.insert(conn, experiment_tags, rows)
    return Found(made, name, is_new=True)


def complete(conn: Connection, given: Experiment, found: Found, name: str, location: str) -> Found:
    """Give an experiment that was recovered from its folder what its file tells by now."""
    if _exists(conn, experiments.c.name == name):
        return found
    conn.execute(
        update(experiments)
        .where(experiments.c.experiment_id == found.number)
        .values(
            name=name,
            artifact_location=location,
            lifecycle_stage=given.lifecycle_stage,
            creation_time=given.creation_time,
            last_update_time=given.last_update_time,
        )
    )
    return Found(found.number, name, is_new=False)


def reserve(conn: Connection, found: Iterable[Experiment]) -> None:
    """Have PostgreSQL count new ids on from behind those that are kept, and from those there."""
    if not is_postgresql(conn):
        return
    kept = [each.number for each in found if _may_keep(conn, each.number)]
    highest = max((number for number in kept if number is not None), default=0)
    sequence = "pg_get_serial_sequence('experiments', 'experiment_id')"
    (name,) = conn.exec_driver_sql(f"SELECT {sequence}").one()
    if name is None:
        return
    conn.exec_driver_sql(
        f"SELECT setval('{name}', wanted) FROM ("
        f"SELECT greatest(%s, (SELECT max(experiment_id) FROM experiments)) AS wanted) AS w, {name}"
        " WHERE wanted > last_value OR (wanted = last_value AND NOT is_called)",
        (highest,),
    )


def _may_keep(conn: Connection, number: int | None) -> bool:
    if number is None:
        return False
    return number <= (_HIGHEST_KEPT if is_postgresql(conn) else largest(conn))


def _is_same(conn: Connection, given: Experiment, row: Any, run_ids: Sequence[str]) -> bool:
    if given.number == 0 and row.experiment_id == 0:
        return True
    if given.number is not None and given.number >= _RANDOM:
        return True
    if row.name in (given.name, _recovered(given)):
        return True
    if given.creation_time is not None and given.creation_time == row.creation_time:
        return True
    tags = experiment_tags.c
    of_name = (tags.experiment_id == row.experiment_id, tags.key == OLD_NAME)
    if conn.execute(select(tags.value).where(*of_name)).scalar() == given.name:
        return True
    shared = select(runs.c.run_uuid).where(
        runs.c.experiment_id == row.experiment_id, any_of(conn, runs.c.run_uuid, run_ids)
    )
    return conn.execute(shared.limit(1)).first() is not None


def _recovered(given: Experiment) -> str:
    return f"recovered-{given.key}"


def _exists(conn: Connection, condition: Any) -> bool:
    return conn.execute(select(experiments.c.experiment_id).where(condition)).first() is not None


def _others(name: str) -> Iterable[str]:
    """The names that an experiment may get instead of one that another has."""
    number = 2
    while True:
        ending = f" ({number})"
        yield f"{name[: 256 - len(ending)]}{ending}"
        number += 1


def _age(given: Experiment) -> tuple[float, str]:
    created = given.creation_time
    return (float("inf") if created is None else created, given.path)
