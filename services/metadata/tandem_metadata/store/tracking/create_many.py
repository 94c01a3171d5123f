"""Runs of many requests created in as many statements as one takes."""

import json
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.database.direct import Statements
from tandem_metadata.messages.runs import Run
from tandem_metadata.store.dialect.pg_arrays import is_postgresql, text_columns, texts
from tandem_metadata.store.tracking import experiments, log_many, runs
from tandem_shared.errors import ApiError

Place = tuple[int, str | None]
"""An experiment's number and artifact location."""


def create(
    conn: Connection, new: Sequence[runs.NewRun], places: MutableMapping[str, Place]
) -> list[Run | None]:
    """Create runs in active experiments, as `runs.create` does; None for each that is left out.

    Left out is a run whose experiment is unknown or deleted. The places of the other experiments
    are put into `places`.
    """
    known = _active_experiments(conn, {each.experiment_id for each in new})
    places.update(known)
    taken = [run for run in new if run.experiment_id in known]
    if not taken:
        created = []
    elif is_postgresql(conn):
        created = create_at_once(conn, taken, known)
    else:
        created = _create_sqlite(conn, taken, known)
    made = {run.run_id: answer for run, answer in zip(taken, created, strict=True)}
    return [made.get(run.run_id) for run in new]


def create_at_once(
    conn: Statements, new: Sequence[runs.NewRun], places: Mapping[str, Place]
) -> list[Run | None]:
    """As `create`, by one statement, for PostgreSQL and where `places` has all experiments.

    Left out are runs of an experiment that is at another place now, too.
    """
    rows, tags = _rows(new, places)
    *columns, times, numbers = zip(*rows, strict=True)
    expected = {places[run.experiment_id] for run in new}
    given = (
        [number for number, _ in expected],
        texts([location or "" for _, location in expected]),
        *map(texts, columns),
        [*times],
        [*numbers],
        *text_columns(tags),
    )
    found = conn.exec_driver_sql(_POSTGRESQL_CREATE, given)
    made = {row[0] for row in found}
    return [
        run.created(row[-1], row[3]) if run.run_id in made else None
        for run, row in zip(new, rows, strict=True)
    ]


def _create_sqlite(
    conn: Connection, new: Sequence[runs.NewRun], places: Mapping[str, Place]
) -> list[Run | None]:
    rows, tags = _rows(new, places)
    conn.exec_driver_sql(_SQLITE_RUNS, rows)
    log_many.put_tags(conn, {(run_id, key): value for run_id, key, value in tags})
    return [run.created(row[-1], row[3]) for run, row in zip(new, rows, strict=True)]


def _rows(
    new: Sequence[runs.NewRun], places: Mapping[str, Place]
) -> tuple[list[tuple[Any, ...]], list[tuple[str, str, str]]]:
    """Rows of runs, in the order of `_RUN_COLUMNS`, and of their tags."""
    rows, tags = [], []
    for run in new:
        number, location = places[run.experiment_id]
        uri = runs.artifact_uri_in(location, run.run_id)
        rows.append((run.run_id, run.name, run.user_id, uri, run.start_time, number))
        tags += [(run.run_id, key, value) for key, value in run.tags.items()]
    return rows, tags


def _active_experiments(conn: Connection, experiment_ids: Collection[str]) -> dict[str, Place]:
    """Number and artifact location of the experiments that are active, and stay so."""
    numbers: dict[str, int] = {}
    for experiment_id in experiment_ids:
        try:
            numbers[experiment_id] = experiments.parse_id(experiment_id)
        except ApiError:
            continue  # `runs.create` says what is wrong with it
    wanted = sorted(set(numbers.values()))
    given: Any = wanted
    if is_postgresql(conn):
        chosen = "= ANY(%s::int[]) ORDER BY experiment_id FOR SHARE"
    else:
        chosen, given = "IN (SELECT value FROM json_each(?))", json.dumps(wanted)
    found = conn.exec_driver_sql(
        "SELECT experiment_id, artifact_location FROM experiments "
        f"WHERE lifecycle_stage = 'active' AND experiment_id {chosen}",
        (given,),
    )
    locations = {row[0]: row[1] for row in found}
    return {
        experiment_id: (number, locations[number])
        for experiment_id, number in numbers.items()
        if number in locations
    }


_CONSTANT_COLUMNS: Final = ", ".join(runs.CONSTANT)
_CONSTANTS: Final = ", ".join(f"'{value}'" for value in runs.CONSTANT.values())
_RUN_COLUMNS: Final = "run_uuid, name, user_id, artifact_uri, start_time, experiment_id"
_POSTGRESQL_CREATE: Final = f"""
WITH active AS (
  SELECT e.experiment_id FROM unnest((SELECT %s::int[]), (SELECT %s::text[])) AS x (id, location)
  JOIN experiments e ON e.experiment_id = x.id
  WHERE e.lifecycle_stage = 'active' AND coalesce(e.artifact_location, '') = x.location
  ORDER BY e.experiment_id FOR SHARE OF e),
made AS (
  INSERT INTO runs ({_CONSTANT_COLUMNS}, {_RUN_COLUMNS})
  SELECT {_CONSTANTS}, g.run_uuid, g.name, g.user_id, g.artifact_uri, g.start_time, g.experiment_id
  FROM unnest((SELECT %s::text[]), (SELECT %s::text[]), (SELECT %s::text[]), (SELECT %s::text[]),
    (SELECT %s::bigint[]), (SELECT %s::int[]))
    AS g (run_uuid, name, user_id, artifact_uri, start_time, experiment_id)
  WHERE g.experiment_id IN (SELECT experiment_id FROM active)
  RETURNING run_uuid),
tagged AS (
  INSERT INTO tags (run_uuid, key, value)
  SELECT * FROM unnest((SELECT %s::text[]), (SELECT %s::text[]), (SELECT %s::text[]))
    AS g (run_uuid, key, value)
  WHERE g.run_uuid IN (SELECT run_uuid FROM made))
SELECT run_uuid FROM made"""
_SQLITE_RUNS: Final = (
    f"INSERT INTO runs ({_CONSTANT_COLUMNS}, {_RUN_COLUMNS}) "
    f"VALUES ({_CONSTANTS}, ?, ?, ?, ?, ?, ?)"
)
