"""Creates the runs of many requests in as many statements as one run takes."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DataError

from tandem_metadata.database.direct import Statements
from tandem_metadata.messages.runs import Run
from tandem_metadata.store.dialect.pg_arrays import is_postgresql, text_columns, texts
from tandem_metadata.store.tracking import experiments, runs
from tandem_shared.errors import ApiError, InvalidParameter


class ExperimentRef(NamedTuple):
    """An experiment's number and artifact location."""

    number: int
    location: str | None


KnownExperiments = dict[str, ExperimentRef]
"""Active experiments by their ids."""


def create(
    conn: Connection,
    new: Sequence[runs.NewRun],
    known_experiments: KnownExperiments,
) -> list[Run | ApiError]:
    """Create runs in active experiments; returns for each the run, or the error of its experiment.

    The error is NotFound, or InvalidParameter for an id that is none and for a deleted experiment.
    Raises InvalidParameter when a run's artifact location is too long for the database. Puts the
    active experiments into `known_experiments`.
    """
    errors = _look_up(conn, {each.experiment_id for each in new}, known_experiments)
    taken = [run for run in new if run.experiment_id not in errors]
    created: list[Run] | None = []
    if taken and is_postgresql(conn):
        created = create_by_one_statement(conn, taken, known_experiments)
    elif taken:
        rows, tags = _rows(taken, known_experiments)
        conn.exec_driver_sql(_SQLITE_RUNS, rows)
        runs.put_tags(conn, {(run_id, key): value for run_id, key, value in tags})
        created = _created(taken, rows)
    answers = iter(created or [])  # never None: `_look_up` has locked the experiments
    return [errors.get(run.experiment_id) or next(answers) for run in new]


def create_by_one_statement(
    conn: Statements,
    new: Sequence[runs.NewRun],
    known_experiments: KnownExperiments,
) -> list[Run] | None:
    """Create runs whose experiments are all known, on PostgreSQL.

    Returns None, having created nothing, when an experiment is not active or has another artifact
    location than `known_experiments` says. Raises InvalidParameter as `create` does.
    """
    rows, tags = _rows(new, known_experiments)
    *columns, times, numbers = zip(*rows, strict=True)
    expected = {known_experiments[run.experiment_id] for run in new}
    given = (
        [each.number for each in expected],
        texts([each.location or "" for each in expected]),
        *map(texts, columns),
        [*times],
        [*numbers],
        len(expected),
        *text_columns(tags),
    )
    try:
        found = [*conn.exec_driver_sql(_POSTGRESQL_CREATE, given)]
    except DataError:  # Experiments that MLflow made may have longer locations than limits allow.
        raise InvalidParameter(
            "The experiment's artifact location is too long for this database to hold those of "
            "its runs; use an experiment with a shorter one."
        ) from None
    return _created(new, rows) if found else None


def _created(new: Sequence[runs.NewRun], rows: Sequence[tuple[Any, ...]]) -> list[Run]:
    return [run.created(row[-1], row[3]) for run, row in zip(new, rows, strict=True)]


def _rows(
    new: Sequence[runs.NewRun], known_experiments: KnownExperiments
) -> tuple[list[tuple[Any, ...]], list[tuple[str, str, str]]]:
    """Rows of `runs`, with the columns of `_RUN_COLUMNS`, and of `tags`."""
    rows, tags = [], []
    for run in new:
        number, location = known_experiments[run.experiment_id]
        uri = runs.artifact_uri_in(location, run.run_id)
        rows.append((run.run_id, run.name, run.user_id, uri, run.start_time, number))
        tags += [(run.run_id, key, value) for key, value in run.tags.items()]
    return rows, tags


def _look_up(
    conn: Connection,
    experiment_ids: Collection[str],
    known_experiments: KnownExperiments,
) -> dict[str, ApiError]:
    """The errors of those experiments that are not active; puts the others into the mapping.

    The others stay active until the transaction ends.
    """
    errors: dict[str, ApiError] = {}
    numbers: dict[str, int] = {}
    for experiment_id in experiment_ids:
        try:
            numbers[experiment_id] = experiments.parse_id(conn, experiment_id)
        except ApiError as error:
            errors[experiment_id] = error
    given: Any = sorted(set(numbers.values()))
    if is_postgresql(conn):
        chosen = "= ANY(%s::int[]) ORDER BY experiment_id FOR SHARE"
    else:
        chosen, given = "IN (SELECT value FROM json_each(?))", json.dumps(given)
    found = conn.exec_driver_sql(
        "SELECT experiment_id, lifecycle_stage, artifact_location FROM experiments "
        f"WHERE experiment_id {chosen}",
        (given,),
    )
    rows = {row[0]: row for row in found}
    for experiment_id, number in numbers.items():
        _, stage, location = rows.get(number, (number, None, None))
        if refused := experiments.refusal(experiment_id, stage):
            errors[experiment_id] = refused
            known_experiments.pop(experiment_id, None)
        else:
            known_experiments[experiment_id] = ExperimentRef(number, location)
    return errors


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
  WHERE (SELECT count(*) FROM active) = %s
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
