"""What many requests log and create, in as many statements as one request takes.

The statements are each database's own: what one row costs counts here. Rows of a table are written
in an order that all transactions share, so that none waits for one that waits for it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.messages.runs import Run
from tandem_metadata.store import experiments, metrics, runs
from tandem_metadata.store.batch import Entry
from tandem_shared.errors import ApiError

MetricRow = tuple[str, str, int, int, float, bool]
"""Run, key, step, timestamp, value as stored, whether it is NaN."""

_METRIC_COLUMNS: Final = "run_uuid, key, step, timestamp, value, is_nan"
_AMONG: Final = "= ANY(ARRAY(SELECT unnest(%s::text[])))"
"""One plan for any number, which PostgreSQL then keeps: making it takes longer than the reading."""

_NEWER: Final = """
ON CONFLICT (key, run_uuid) DO UPDATE SET
  step = excluded.step, timestamp = excluded.timestamp,
  value = excluded.value, is_nan = excluded.is_nan
WHERE excluded.step > old.step OR (excluded.step = old.step AND (
  old.timestamp IS NULL OR excluded.timestamp > old.timestamp
  OR (excluded.timestamp = old.timestamp AND excluded.value > old.value)))"""


class Contradicted(Exception):
    """Params of some entries have another value already; the transaction must be rolled back."""

    def __init__(self, indexes: Collection[int]) -> None:
        self.indexes = indexes


def groupable(entry: Entry) -> bool:
    """Whether `log` takes the entry: metrics of logged models and renames stand alone."""
    return not entry.renames and not any(metric.model_id for metric in entry.metrics)


def only_metrics(entries: Sequence[Entry]) -> bool:
    """Whether `log_metrics` takes the entries."""
    return not any(entry.params or entry.tags for entry in entries)


def log_metrics(conn: Connection, entries: Sequence[Entry]) -> set[int]:
    """As `log`, for entries of nothing but metrics; on PostgreSQL it is one statement."""
    if not _is_postgresql(conn):
        return log(conn, entries)
    run_ids = {entry.run_id for entry in entries}
    rows, latest = _metric_rows(entries)
    if not rows:
        active = _active(conn, run_ids)
    else:
        given = (_texts([*run_ids]), *_columns(rows), *_columns(latest))
        active = {row[0] for row in conn.exec_driver_sql(_POSTGRESQL_AT_ONCE, given)}
    return {index for index, entry in enumerate(entries) if entry.run_id not in active}


def log(conn: Connection, entries: Sequence[Entry]) -> set[int]:
    """Add entries to active runs, as `batch.log` does; returns the indexes of those left out.

    Left out is an entry whose run is unknown or deleted, and one that gives a param another value
    than an earlier one. Raises Contradicted for values that the database has already.
    """
    active = _active(conn, {entry.run_id for entry in entries})
    left = {index for index, entry in enumerate(entries) if entry.run_id not in active}
    params: dict[tuple[str, str], str] = {}
    for index, entry in enumerate(entries):
        if index not in left and entry.params:
            given = {(entry.run_id, key): value for key, value in entry.params.items()}
            if any(params.get(place, value) != value for place, value in given.items()):
                left.add(index)
            else:
                params |= given
    taken = [entry for index, entry in enumerate(entries) if index not in left]
    if params:
        _log_params(conn, params, entries)
    rows, latest = _metric_rows(taken)
    if rows:
        _log_metrics(conn, rows, latest)
    if tags := {(e.run_id, key): value for e in taken for key, value in e.tags.items()}:
        _put_tags(conn, {place: tags[place] for place in tags if place[1] != runs.NAME_TAG})
    return left


def create(conn: Connection, new: Sequence[runs.NewRun]) -> list[Run | None]:
    """Create runs in active experiments, as `runs.create` does; None for each that is left out.

    Left out is a run whose experiment is unknown or deleted.
    """
    locations = _active_experiments(conn, {each.experiment_id for each in new})
    created: list[Run | None] = []
    rows: list[tuple[Any, ...]] = []
    tags: dict[tuple[str, str], str] = {}
    for run in new:
        if run.experiment_id not in locations:
            created.append(None)
            continue
        number, location = locations[run.experiment_id]
        uri = runs.artifact_uri_in(location, run.run_id)
        rows.append((run.run_id, run.name, run.user_id, run.start_time, uri, number))
        tags |= {(run.run_id, key): value for key, value in run.tags.items()}
        created.append(run.created(number, uri))
    if rows:
        _insert_runs(conn, rows)
        _put_tags(conn, tags)
    return created


def _is_postgresql(conn: Connection) -> bool:
    return conn.dialect.name == "postgresql"


def _active(conn: Connection, run_ids: Collection[str]) -> set[str]:
    if _is_postgresql(conn):
        chosen, given = _AMONG, _texts([*run_ids])
    else:
        chosen, given = "IN (SELECT value FROM json_each(?))", json.dumps([*run_ids])
    found = conn.exec_driver_sql(
        f"SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' AND run_uuid {chosen}",
        (given,),
    )
    return {row[0] for row in found}


def _metric_row(run_id: str, logged: Any) -> MetricRow:
    value, is_nan = metrics.stored_value(logged.value)
    return run_id, logged.key, logged.step or 0, logged.timestamp, value, is_nan


def _metric_rows(entries: Sequence[Entry]) -> tuple[list[MetricRow], list[MetricRow]]:
    """The metrics of entries, and the latest of each key of each run, in order."""
    rows = [_metric_row(entry.run_id, each) for entry in entries for each in entry.metrics]
    rows.sort(key=lambda row: row[:5])  # of equal ones the first given stays first
    latest: dict[tuple[str, str], MetricRow] = {}
    for row in rows:
        before = latest.get(row[:2])
        if before is None or row[2:5] > before[2:5]:
            latest[row[:2]] = row
    return rows, [*latest.values()]


def _log_metrics(conn: Connection, rows: Sequence[MetricRow], latest: Sequence[MetricRow]) -> None:
    if _is_postgresql(conn):
        conn.exec_driver_sql(_POSTGRESQL_METRICS, (*_columns(rows), *_columns(latest)))
    else:
        conn.exec_driver_sql(_SQLITE_METRICS, rows)
        conn.exec_driver_sql(_SQLITE_LATEST, latest)


_UNNESTED_METRICS: Final = (
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::float8[], "
    "%s::bool[])"
)
_POSTGRESQL_METRICS: Final = f"""
WITH logged AS (
  INSERT INTO metrics ({_METRIC_COLUMNS}) {_UNNESTED_METRICS} ON CONFLICT DO NOTHING)
INSERT INTO latest_metrics AS old ({_METRIC_COLUMNS}) {_UNNESTED_METRICS} {_NEWER}"""
_GIVEN: Final = (
    f"SELECT {_METRIC_COLUMNS} FROM unnest((SELECT %s::text[]), (SELECT %s::text[]), "
    "(SELECT %s::bigint[]), (SELECT %s::bigint[]), (SELECT %s::float8[]), (SELECT %s::bool[])) "
    f"WITH ORDINALITY AS g ({_METRIC_COLUMNS}, place) "
    "WHERE run_uuid IN (SELECT run_uuid FROM active) ORDER BY place"
)
_POSTGRESQL_AT_ONCE: Final = f"""
WITH active AS (
  SELECT run_uuid FROM runs WHERE run_uuid {_AMONG} AND lifecycle_stage = 'active'),
logged AS (
  INSERT INTO metrics ({_METRIC_COLUMNS}) {_GIVEN} ON CONFLICT DO NOTHING),
latest AS (
  INSERT INTO latest_metrics AS old ({_METRIC_COLUMNS}) {_GIVEN} {_NEWER})
SELECT run_uuid FROM active"""
_SQLITE_METRICS: Final = (
    f"INSERT INTO metrics ({_METRIC_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_SQLITE_LATEST: Final = (
    f"INSERT INTO latest_metrics AS old ({_METRIC_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) {_NEWER}"
)


def _columns(rows: Sequence[MetricRow]) -> tuple[str, ...]:
    """Metrics as arrays in PostgreSQL's notation: the driver takes ten times as long to write it.

    Python writes the shortest text that reads back as the same double.
    """
    run_ids, keys, steps, timestamps, values, nans = zip(*rows, strict=True)
    return (
        _texts(run_ids),
        _texts(keys),
        f"{{{','.join(map(str, steps))}}}",
        f"{{{','.join(map(str, timestamps))}}}",
        f"{{{','.join(map(repr, values))}}}",
        f"{{{','.join(map(str, nans))}}}",
    )


def _texts(values: Sequence[str]) -> str:
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in values)
    return f'{{"{joined}"}}'


def _log_params(
    conn: Connection, params: Mapping[tuple[str, str], str], entries: Sequence[Entry]
) -> None:
    """Add params; raises Contradicted.

    Written first and compared afterwards: an insert waits for a request that logs the same key.
    """
    places = sorted(params)
    rows = [(*place, params[place]) for place in places]
    if _is_postgresql(conn):
        added = conn.exec_driver_sql(_POSTGRESQL_PARAMS, _text_columns(rows)).rowcount
    else:
        added = conn.exec_driver_sql(_SQLITE_PARAMS, rows).rowcount
    if added == len(rows):
        return
    if _is_postgresql(conn):
        found = conn.exec_driver_sql(_POSTGRESQL_FIND_PARAMS, _text_columns(places))
    else:
        found = conn.exec_driver_sql(_SQLITE_FIND_PARAMS, (json.dumps(places),))
    stored = {(run_id, key): value for run_id, key, value in found}
    contradicted = [
        index
        for index, entry in enumerate(entries)
        if any(
            stored.get((entry.run_id, key), value) != value for key, value in entry.params.items()
        )
    ]
    if contradicted:
        raise Contradicted(contradicted)


_UNNESTED_TEXTS: Final = "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[])"
_POSTGRESQL_PARAMS: Final = (
    f"INSERT INTO params (run_uuid, key, value) {_UNNESTED_TEXTS} ON CONFLICT DO NOTHING"
)
_SQLITE_PARAMS: Final = (
    "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_POSTGRESQL_FIND_PARAMS: Final = (
    "SELECT p.run_uuid, p.key, p.value FROM unnest(%s::text[], %s::text[]) AS g (run_uuid, key) "
    "JOIN params p ON p.run_uuid = g.run_uuid AND p.key = g.key"
)
_SQLITE_FIND_PARAMS: Final = (
    "SELECT p.run_uuid, p.key, p.value FROM json_each(?) AS g "
    "JOIN params p ON p.run_uuid = g.value ->> 0 AND p.key = g.value ->> 1"
)


def _put_tags(conn: Connection, tags: Mapping[tuple[str, str], str]) -> None:
    rows = [(*place, tags[place]) for place in sorted(tags)]
    if not rows:
        return
    if _is_postgresql(conn):
        conn.exec_driver_sql(_POSTGRESQL_TAGS, _text_columns(rows))
    else:
        conn.exec_driver_sql(_SQLITE_TAGS, rows)


_REPLACE: Final = "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
_POSTGRESQL_TAGS: Final = f"INSERT INTO tags (run_uuid, key, value) {_UNNESTED_TEXTS} {_REPLACE}"
_SQLITE_TAGS: Final = f"INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?) {_REPLACE}"


def _text_columns(rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(_texts(column) for column in zip(*rows, strict=True))


def _active_experiments(
    conn: Connection, experiment_ids: Collection[str]
) -> dict[str, tuple[int, str | None]]:
    """Number and artifact location of the experiments that are active, and stay so."""
    numbers: dict[str, int] = {}
    for experiment_id in experiment_ids:
        try:
            numbers[experiment_id] = experiments.parse_id(experiment_id)
        except ApiError:
            continue  # `runs.create` says what is wrong with it
    wanted = sorted(set(numbers.values()))
    given: Any = wanted
    if _is_postgresql(conn):
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


def _insert_runs(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    if _is_postgresql(conn):
        columns = [[*column] for column in zip(*rows, strict=True)]
        texts, numbers = [_texts(columns[index]) for index in (0, 1, 2, 4)], columns[3::2]
        conn.exec_driver_sql(_POSTGRESQL_RUNS, (*texts, *numbers))
    else:
        conn.exec_driver_sql(_SQLITE_RUNS, rows)


_CONSTANT_COLUMNS: Final = ", ".join(runs.CONSTANT)
_CONSTANTS: Final = ", ".join(f"'{value}'" for value in runs.CONSTANT.values())
_RUN_COLUMNS: Final = "run_uuid, name, user_id, start_time, artifact_uri, experiment_id"
_POSTGRESQL_RUNS: Final = f"""
INSERT INTO runs ({_CONSTANT_COLUMNS}, {_RUN_COLUMNS})
SELECT {_CONSTANTS}, g.run_uuid, g.name, g.user_id, g.start_time, g.artifact_uri, g.experiment_id
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::int[])
  AS g (run_uuid, name, user_id, artifact_uri, start_time, experiment_id)"""
_SQLITE_RUNS: Final = (
    f"INSERT INTO runs ({_CONSTANT_COLUMNS}, {_RUN_COLUMNS}) "
    f"VALUES ({_CONSTANTS}, ?, ?, ?, ?, ?, ?)"
)
