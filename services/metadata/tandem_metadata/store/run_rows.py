"""Runs with all that they logged, read by one statement.

It is each database's own: here, what one row costs counts.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from tandem_metadata.connections import BINARY

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
    """A run; what it logged is in columns, each in an order of its own."""

    run_id: str
    info: Sequence[Any]
    """The values of `INFO_COLUMNS`."""
    metrics: Sequence[Sequence[Any]]
    """Keys, values, timestamps and steps of the latest metrics."""
    nans: Collection[str]
    """Keys of the metrics whose value stands for NaN."""
    params: Sequence[Sequence[str]]
    """Keys and values."""
    tags: Sequence[Sequence[Any]]
    """Keys and values; a value may be None."""
    has_datasets: bool
    has_models: bool


def read(conn: Connection, run_ids: Collection[str]) -> list[RunRow]:
    """The runs that there are, in no order."""
    if conn.dialect.name == "postgresql":
        return _read_postgresql(conn, run_ids)
    return _read_sqlite(conn, run_ids)


def _read_postgresql(conn: Connection, run_ids: Collection[str]) -> list[RunRow]:
    statement = _POSTGRESQL_FEW if len(run_ids) <= _FEW else _POSTGRESQL_MANY
    found = conn.exec_driver_sql(
        statement, {"ids": [*run_ids]}, execution_options={BINARY: True}
    ).cursor.fetchall()  # as tuples, without a Row around each
    return [
        RunRow(
            row[0],
            row[1 : 1 + len(INFO_COLUMNS)],
            [column or () for column in row[-11:-7]],
            row[-7] or (),
            (row[-6] or (), row[-5] or ()),
            (row[-4] or (), row[-3] or ()),
            row[-2],
            row[-1],
        )
        for row in found
    ]


_HAS_DATASETS: Final = (
    "EXISTS (SELECT 1 FROM inputs WHERE destination_id = r.run_uuid "
    "AND destination_type = 'RUN' AND source_type = 'DATASET')"
)
_HAS_MODELS: Final = (
    "EXISTS (SELECT 1 FROM inputs WHERE source_id = r.run_uuid "
    "AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT'))"
)
_INFO: Final = ", ".join(f"r.{name}" for name in INFO_COLUMNS)
# Arrays: a row for each metric would cost more on the way than its making does.
_POSTGRESQL: Final = f"""
SELECT r.run_uuid, {_INFO}, m.*, p.*, t.*, {_HAS_DATASETS}, {_HAS_MODELS}
FROM runs r
CROSS JOIN LATERAL (
  SELECT array_agg(key), array_agg(value), array_agg(timestamp), array_agg(step),
    array_agg(key) FILTER (WHERE is_nan)
  FROM latest_metrics WHERE run_uuid = r.run_uuid) m
CROSS JOIN LATERAL (
  SELECT array_agg(key), array_agg(value) FROM params WHERE run_uuid = r.run_uuid) p
CROSS JOIN LATERAL (
  SELECT array_agg(key), array_agg(value) FROM tags WHERE run_uuid = r.run_uuid) t
WHERE r.run_uuid = ANY({{ids}})"""
_FEW: Final = 32
# How many ids there are is hidden from the planner, which then keeps a plan instead of making one
# for each number, and that takes longer than to read a few runs. Many are worth their own.
_POSTGRESQL_FEW: Final = _POSTGRESQL.format(ids="ARRAY(SELECT unnest(%(ids)s::text[]))")
_POSTGRESQL_MANY: Final = _POSTGRESQL.format(ids="%(ids)s::text[]")


def _read_sqlite(conn: Connection, run_ids: Collection[str]) -> list[RunRow]:
    # Not as arrays: they would be JSON, and SQLite's JSON has 15 digits of a double.
    given = json.dumps([*run_ids])
    rows = conn.exec_driver_sql(_SQLITE, {"ids": given}).cursor.fetchall()
    logged: defaultdict[tuple[str, int], list[tuple[Any, ...]]] = defaultdict(list)
    for kind, run_id, *values in rows:
        logged[run_id, kind].append(tuple(values))
    runs = conn.exec_driver_sql(_SQLITE_RUNS, {"ids": given}).cursor.fetchall()
    return [
        RunRow(
            run_id,
            info,
            _columns(logged[run_id, _METRIC], 4),
            [row[0] for row in logged[run_id, _METRIC] if row[4]],
            _columns(logged[run_id, _PARAM], 2),
            _columns(logged[run_id, _TAG], 2),
            bool(has_datasets),
            bool(has_models),
        )
        for run_id, *info, has_datasets, has_models in runs
    ]


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> Sequence[Sequence[Any]]:
    return [*zip(*rows, strict=True)][:count] if rows else [()] * count


_METRIC: Final = 0
_PARAM: Final = 1
_TAG: Final = 2
_AMONG: Final = "run_uuid IN (SELECT value FROM json_each(:ids))"
_SQLITE: Final = f"""
SELECT {_METRIC}, run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics WHERE {_AMONG}
UNION ALL
SELECT {_PARAM}, run_uuid, key, value, NULL, NULL, NULL FROM params WHERE {_AMONG}
UNION ALL
SELECT {_TAG}, run_uuid, key, value, NULL, NULL, NULL FROM tags WHERE {_AMONG}"""
_SQLITE_RUNS: Final = (
    f"SELECT r.run_uuid, {_INFO}, {_HAS_DATASETS}, {_HAS_MODELS} FROM runs r WHERE r.{_AMONG}"
)
