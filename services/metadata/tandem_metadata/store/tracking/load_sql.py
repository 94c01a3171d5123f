"""Runs with all that they logged, in as few statements as possible.

Each database has its own: the time goes by the number of rows, and PostgreSQL can return arrays.
"""

import json
import math
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.store.dialect.logging_order import NEVER_UPDATED
from tandem_metadata.store.dialect.pg_arrays import texts
from tandem_metadata.store.dialect.pg_snapshot import SNAPSHOT

INFO_COLUMNS: Final = (
    "experiment_id",
    "status",
    "lifecycle_stage",
    "name",
    "user_id",
    "start_time",
    "end_time",
    "artifact_uri",
)


class RunRow(NamedTuple):
    """A run without what it logged."""

    run_id: str
    info: Sequence[Any]
    """The values of `INFO_COLUMNS`."""
    has_datasets: bool
    has_models: bool


Column = Sequence[Any]


class Rows(NamedTuple):
    """Some runs and all that they logged, as columns.

    What a run logged is in the order in which it was first logged where the database knows that:
    SQLite for all, as its index by run is sorted by rowid, and PostgreSQL for params.
    """

    runs: Sequence[RunRow]
    metrics: Sequence[Column]
    """Run ids, keys, values, NaN among them, timestamps and steps of the latest metrics."""
    params: Sequence[Column]
    """Run ids, keys and values."""
    tags: Sequence[Column]
    """Run ids, keys and values; a value may be None."""
    snapshot: str | None = None
    """Of the statement that read them, if it tells it; see `pg_snapshot`."""


def read(conn: Connection, run_ids: Collection[str]) -> Iterator[Rows]:
    """The runs that exist, in parts: a run is in one part, with all that it logged."""
    if conn.dialect.name == "postgresql" and len(run_ids) < _MANY:
        yield _read_few(conn, run_ids)
        return
    read_part = _read_part if conn.dialect.name == "postgresql" else _read_sqlite
    ids = [*run_ids]
    for start in range(0, len(ids), _PART):
        yield read_part(conn, ids[start : start + _PART])


_MANY: Final = 16
"""Runs from which on one array a column for all of them is cheaper than one for each of them."""
_PART: Final = 128
"""Runs that share an array, which both databases limit to 1 GiB or so."""

_HAS_DATASETS: Final = (
    "EXISTS (SELECT 1 FROM inputs WHERE destination_id = r.run_uuid "
    "AND destination_type = 'RUN' AND source_type = 'DATASET')"
)
_HAS_MODELS: Final = (
    "EXISTS (SELECT 1 FROM inputs WHERE source_id = r.run_uuid "
    "AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT'))"
)
_RUN: Final = ", ".join(
    ("r.run_uuid", *(f"r.{name}" for name in INFO_COLUMNS), _HAS_DATASETS, _HAS_MODELS)
)
_RUN_WIDTH: Final = len(INFO_COLUMNS) + 3

# The subquery hides the number of ids from the planner, so that one generic plan is reused:
# planning costs more than reading. The join keeps it from scanning a small table of runs and
# comparing each with every id.
_THEM: Final = "unnest(%(ids)s::text[]) AS of (id) JOIN runs r ON r.run_uuid = of.id"
_AMONG: Final = "run_uuid = ANY(ARRAY(SELECT unnest(%(ids)s::text[])))"
_AS_LOGGED: Final = NEVER_UPDATED.format("")
_VALUE: Final = "CASE WHEN is_nan THEN 'NaN' ELSE value END"
# Arrays: a row for each metric would take longer to transfer than the arrays take to build.
_FEW: Final = f"""
SELECT {_RUN}, m.*, p.*, t.*
FROM {_THEM}
CROSS JOIN LATERAL (
  SELECT array_agg(key), array_agg({_VALUE}), array_agg(timestamp), array_agg(step)
  FROM latest_metrics WHERE run_uuid = r.run_uuid) m
CROSS JOIN LATERAL (
  SELECT array_agg(key), array_agg(value) FROM (
    SELECT key, value FROM params WHERE run_uuid = r.run_uuid ORDER BY {_AS_LOGGED}) p) p
CROSS JOIN LATERAL (
  SELECT array_agg(key), array_agg(value) FROM tags WHERE run_uuid = r.run_uuid) t"""
_FEW_METRICS: Final = slice(_RUN_WIDTH, _RUN_WIDTH + 4)
_FEW_PARAMS: Final = slice(_RUN_WIDTH + 4, _RUN_WIDTH + 6)
_FEW_TAGS: Final = slice(_RUN_WIDTH + 6, _RUN_WIDTH + 8)

_METRIC: Final = 0
_PARAM: Final = 1
_TAG: Final = 2
_NO_RUN: Final = "NULL, " * _RUN_WIDTH
# A row for each run, and a row of arrays for each kind of what they logged: ids, keys, values of
# params or tags, values of metrics, timestamps, steps. The metrics' row has the snapshot.
_MANY_RUNS: Final = f"""
SELECT NULL::int, {_RUN}, NULL::text[], NULL::text[], NULL::text[], NULL::float8[], NULL::bigint[],
  NULL::bigint[], NULL::text
FROM {_THEM}
UNION ALL
SELECT {_METRIC}, {_NO_RUN} array_agg(run_uuid), array_agg(key), NULL, array_agg({_VALUE}),
  array_agg(timestamp), array_agg(step), {SNAPSHOT}
FROM latest_metrics WHERE {_AMONG}
UNION ALL
SELECT {_PARAM}, {_NO_RUN} array_agg(run_uuid), array_agg(key), array_agg(value), NULL, NULL, NULL,
  NULL
FROM (SELECT run_uuid, key, value FROM params WHERE {_AMONG} ORDER BY {_AS_LOGGED}) p
UNION ALL
SELECT {_TAG}, {_NO_RUN} array_agg(run_uuid), array_agg(key), array_agg(value), NULL, NULL, NULL,
  NULL
FROM tags WHERE {_AMONG}"""


def _fetch(conn: Connection, statement: str, run_ids: Collection[str]) -> Sequence[Any]:
    return fetch_tuples(conn, statement, {"ids": texts([*run_ids])})


def _run(row: Sequence[Any]) -> RunRow:
    return RunRow(row[0], row[1:-2], bool(row[-2]), bool(row[-1]))


def _read_few(conn: Connection, run_ids: Collection[str]) -> Rows:
    rows = _fetch(conn, _FEW, run_ids)
    if not rows:
        return Rows([], ((),) * 5, ((),) * 3, ((),) * 3)
    return Rows(
        [_run(row[:_RUN_WIDTH]) for row in rows],
        _concatenated(rows, _FEW_METRICS),
        _concatenated(rows, _FEW_PARAMS),
        _concatenated(rows, _FEW_TAGS),
    )


def _concatenated(rows: Sequence[Any], arrays: slice) -> Sequence[Column]:
    """These arrays of all rows as columns, and before them a column of the rows' run ids."""
    parts = [[array or () for array in row[arrays]] for row in rows]
    ids = [row[0] for row, (keys, *_) in zip(rows, parts, strict=True) for _ in keys]
    return [ids, *([*chain.from_iterable(column)] for column in zip(*parts, strict=True))]


def _read_part(conn: Connection, run_ids: Collection[str]) -> Rows:
    runs: list[RunRow] = []
    logged: dict[int, list[Column]] = {}
    snapshot = None
    for kind, *row in _fetch(conn, _MANY_RUNS, run_ids):
        if kind is None:
            runs.append(_run(row[:_RUN_WIDTH]))
            continue
        logged[kind] = [column or () for column in row[_RUN_WIDTH:-1]]
        snapshot = row[-1] or snapshot
    ids, keys, _, values, timestamps, steps = logged[_METRIC]
    metrics = ids, keys, values, timestamps, steps
    return Rows(runs, metrics, logged[_PARAM][:3], logged[_TAG][:3], snapshot)


def _read_sqlite(conn: Connection, run_ids: Sequence[str]) -> Rows:
    runs: list[RunRow] = []
    metrics: list[tuple[Any, ...]] = []
    texts: dict[int, list[Column]] = {}
    for row in fetch_tuples(conn, _SQLITE, {"ids": json.dumps(run_ids)}):
        kind = row[0]
        if kind == _METRIC:
            metrics.append(row)
        elif kind is None:
            runs.append(_run(row[1:]))
        else:
            texts[kind] = [msgspec.json.decode(array) for array in row[1:4]]
    columns = [*zip(*metrics, strict=True)] if metrics else [()] * 7
    _, ids, keys, values, timestamps, steps, nans = columns[:7]
    if any(nans):
        values = tuple(math.nan if nan else each for nan, each in zip(nans, values, strict=True))
    return Rows(runs, (ids, keys, values, timestamps, steps), texts[_PARAM], texts[_TAG])


# The driver gives the interpreter to other threads at each row, and gets it back when they wait. So
# texts come as arrays. Numbers do not: SQLite writes a double in JSON with 15 digits.
_GIVEN: Final = "run_uuid IN (SELECT value FROM json_each(:ids))"
_SQLITE: Final = f"""
SELECT NULL, {_RUN} FROM runs r WHERE r.{_GIVEN}
UNION ALL
SELECT {_METRIC}, run_uuid, key, value, timestamp, step, is_nan{", NULL" * (_RUN_WIDTH - 6)}
FROM latest_metrics WHERE {_GIVEN}
UNION ALL
SELECT {_PARAM}, json_group_array(run_uuid), json_group_array(key), json_group_array(value)
  {", NULL" * (_RUN_WIDTH - 3)} FROM params WHERE {_GIVEN}
UNION ALL
SELECT {_TAG}, json_group_array(run_uuid), json_group_array(key), json_group_array(value)
  {", NULL" * (_RUN_WIDTH - 3)} FROM tags WHERE {_GIVEN}"""
