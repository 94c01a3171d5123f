"""Metrics of runs: every value once, and the latest of each key."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.database.direct import Statements
from tandem_metadata.messages.metrics import LoggedMetric
from tandem_metadata.rules import limits
from tandem_metadata.store.dialect.pg_arrays import ANY_OF_TEXTS, is_postgresql, texts
from tandem_shared.errors import InvalidParameter, invalid_value

_LARGEST: Final = 1.7976931348623157e308
_DATASET_NAME: Final = 500
_DATASET_DIGEST: Final = 36

MetricRow = tuple[str, str, int, int, float, bool]
"""Run id, key, step, timestamp in milliseconds, value as stored, whether the value is NaN."""


def check(logged: LoggedMetric, path: str = "") -> None:
    """Raise InvalidParameter for a metric that cannot be logged; `path` leads to its fields."""
    limits.check_key(f"{path}key", logged.key)
    if logged.timestamp < 0:
        raise invalid_value(
            f"{path}timestamp",
            logged.timestamp,
            f"metric '{logged.key}' needs milliseconds since 1970, 0 or more",
        )
    limits.check_length(f"{path}dataset_name", logged.dataset_name or "", _DATASET_NAME)
    limits.check_length(f"{path}dataset_digest", logged.dataset_digest or "", _DATASET_DIGEST)
    if bool(logged.dataset_name) != bool(logged.dataset_digest):
        missing = "digest" if logged.dataset_name else "name"
        raise InvalidParameter(
            "Both dataset_name and dataset_digest must be provided, or neither: metric "
            f"'{logged.key}' lacks '{path}dataset_{missing}'."
        )


def stored_value(value: float) -> tuple[float, bool]:
    """A value as MLflow's tables hold it, and whether it is NaN.

    NaN is 0 with a flag, the infinities are the largest doubles.
    """
    if math.isnan(value):
        return 0.0, True
    return max(-_LARGEST, min(_LARGEST, value)), False


def row(run_id: str, logged: LoggedMetric) -> MetricRow:
    """The row of a metric."""
    value, is_nan = stored_value(logged.value)
    return run_id, logged.key, logged.step or 0, logged.timestamp, value, is_nan


def add(conn: Connection, rows: Sequence[MetricRow]) -> None:
    """Add metrics of active runs; a row that is there already stays once.

    The latest metric of a key is the greatest by step, then timestamp, then value as stored.
    """
    latest = _latest(rows)
    if is_postgresql(conn):
        given = (*_columns(_sorted(rows)), *_columns(_sorted(latest)))
        conn.exec_driver_sql(_POSTGRESQL_INSERT, given)
    else:
        conn.exec_driver_sql(_SQLITE_INSERT, rows)
        conn.exec_driver_sql(_SQLITE_LATEST, latest)


def add_latest(conn: Connection, rows: Sequence[MetricRow]) -> None:
    """Make rows the latest of their keys where they are newer; each key of a run comes once."""
    if is_postgresql(conn):
        conn.exec_driver_sql(_POSTGRESQL_LATEST, _columns(_sorted(rows)))
    else:
        conn.exec_driver_sql(_SQLITE_LATEST, [*rows])


def add_by_one_statement(
    conn: Statements, run_ids: Collection[str], rows: Sequence[MetricRow]
) -> dict[str, str]:
    """Add those metrics whose runs are active and among `run_ids`, as `add` does, on PostgreSQL.

    Returns the lifecycle stages of those of the runs that exist, by run id.
    """
    given = (texts([*run_ids]), *_columns(_sorted(rows)), *_columns(_sorted(_latest(rows))))
    found = conn.exec_driver_sql(_POSTGRESQL_INSERT_IF_ACTIVE, given)
    return {row[0]: row[1] for row in found}


def _latest(rows: Iterable[MetricRow]) -> list[MetricRow]:
    """The greatest row of each key of each run, in the order of the keys' first rows."""
    latest: dict[tuple[str, str], MetricRow] = {}
    for each in rows:
        before = latest.get(each[:2])
        if before is None or each[2:5] > before[2:5]:
            latest[each[:2]] = each
    return [*latest.values()]


def _sorted(rows: Iterable[MetricRow]) -> list[MetricRow]:
    """Rows in the order in which all transactions lock them, so that none deadlock.

    The sort is stable: of NaN and 0, which are stored as equal values, the first given stays first.
    """
    return sorted(rows, key=lambda each: each[:5])


_COLUMNS: Final = "run_uuid, key, step, timestamp, value, is_nan"
_IF_NEWER: Final = """
ON CONFLICT (key, run_uuid) DO UPDATE SET
  step = excluded.step, timestamp = excluded.timestamp,
  value = excluded.value, is_nan = excluded.is_nan
WHERE excluded.step > old.step OR (excluded.step = old.step AND (
  old.timestamp IS NULL OR excluded.timestamp > old.timestamp
  OR (excluded.timestamp = old.timestamp AND excluded.value > old.value)))"""
"""Replaces a row of `latest_metrics` (`old`) by a newer one.

The statement that locks the row compares: a value read before could have been replaced since.
Older databases may hold a latest metric without a timestamp.
"""

_UNNESTED: Final = (
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::float8[], "
    "%s::bool[])"
)
_POSTGRESQL_INSERT: Final = f"""
WITH logged AS (
  INSERT INTO metrics ({_COLUMNS}) {_UNNESTED} ON CONFLICT DO NOTHING)
INSERT INTO latest_metrics AS old ({_COLUMNS}) {_UNNESTED} {_IF_NEWER}"""
_POSTGRESQL_LATEST: Final = (
    f"INSERT INTO latest_metrics AS old ({_COLUMNS}) {_UNNESTED} {_IF_NEWER}"
)
_GIVEN: Final = (
    f"SELECT {_COLUMNS} FROM unnest((SELECT %s::text[]), (SELECT %s::text[]), "
    "(SELECT %s::bigint[]), (SELECT %s::bigint[]), (SELECT %s::float8[]), (SELECT %s::bool[])) "
    f"WITH ORDINALITY AS g ({_COLUMNS}, place) "
    "WHERE run_uuid IN (SELECT run_uuid FROM found WHERE lifecycle_stage = 'active') "
    "ORDER BY place"
)
_POSTGRESQL_INSERT_IF_ACTIVE: Final = f"""
WITH found AS (
  SELECT run_uuid, lifecycle_stage FROM runs WHERE run_uuid {ANY_OF_TEXTS}),
logged AS (
  INSERT INTO metrics ({_COLUMNS}) {_GIVEN} ON CONFLICT DO NOTHING),
latest AS (
  INSERT INTO latest_metrics AS old ({_COLUMNS}) {_GIVEN} {_IF_NEWER})
SELECT run_uuid, lifecycle_stage FROM found"""
_SQLITE_INSERT: Final = (
    f"INSERT INTO metrics ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_SQLITE_LATEST: Final = (
    f"INSERT INTO latest_metrics AS old ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) {_IF_NEWER}"
)


def _columns(rows: Sequence[MetricRow]) -> tuple[str, ...]:
    """The columns of metrics as arrays in PostgreSQL's notation.

    Formatting them here takes a tenth of the driver's time. `repr` gives the shortest text that
    reads back as the same double.
    """
    run_ids, keys, steps, timestamps, values, nans = zip(*rows, strict=True)
    return (
        texts(run_ids),
        texts(keys),
        f"{{{','.join(map(str, steps))}}}",
        f"{{{','.join(map(str, timestamps))}}}",
        f"{{{','.join(map(repr, values))}}}",
        f"{{{','.join(map(str, nans))}}}",
    )
