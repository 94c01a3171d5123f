"""What many requests log, in as many statements as one request takes.

The statements are each database's own: what one row costs counts here. SQLite gets the rows of a
table as they were logged. PostgreSQL gets them in an order that all transactions share, so that
none waits for one that waits for it; but params of a run come as they were logged there too.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.database.direct import Statements
from tandem_metadata.store.dialect.logging_order import is_kept
from tandem_metadata.store.dialect.pg_arrays import (
    UNNESTED_TEXTS,
    is_postgresql,
    text_columns,
    texts,
)
from tandem_metadata.store.tracking import metrics, runs
from tandem_metadata.store.tracking.log_entry import Entry

MetricRow = tuple[str, str, int, int, float, bool]
"""Run, key, step, timestamp, value as stored, whether it is NaN."""

_METRIC_COLUMNS: Final = "run_uuid, key, step, timestamp, value, is_nan"
_AMONG: Final = "= ANY(ARRAY(SELECT unnest(%s::text[])))"
"""One plan for any number, which PostgreSQL then keeps: making it takes longer than the reading."""


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


def log_metrics(conn: Statements, entries: Sequence[Entry]) -> set[int]:
    """As `log`, for entries of nothing but metrics; on PostgreSQL it is one statement."""
    if isinstance(conn, Connection) and not is_postgresql(conn):
        return log(conn, entries)
    run_ids = {entry.run_id for entry in entries}
    rows, latest = _metric_rows(entries, as_logged=False)
    if not rows:
        active = _active(conn, run_ids)
    else:
        given = (texts([*run_ids]), *_columns(rows), *_columns(latest))
        active = {row[0] for row in conn.exec_driver_sql(_POSTGRESQL_AT_ONCE, given)}
    return {index for index, entry in enumerate(entries) if entry.run_id not in active}


def log(conn: Connection, entries: Sequence[Entry]) -> set[int]:
    """Add entries to active runs, as `log_entry.log` does; returns the indexes of those left out.

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
    rows, latest = _metric_rows(taken, as_logged=is_kept(conn))
    if rows:
        _log_metrics(conn, rows, latest)
    if tags := {(e.run_id, key): value for e in taken for key, value in e.tags.items()}:
        put_tags(conn, {place: tags[place] for place in tags if place[1] != runs.NAME_TAG})
    return left


def _active(conn: Statements, run_ids: Collection[str]) -> set[str]:
    if is_postgresql(conn):
        chosen, given = _AMONG, texts([*run_ids])
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


def _metric_rows(
    entries: Sequence[Entry], *, as_logged: bool
) -> tuple[list[MetricRow], list[MetricRow]]:
    """The metrics of entries, and the latest of each key of each run."""
    rows = [_metric_row(entry.run_id, each) for entry in entries for each in entry.metrics]
    latest: dict[tuple[str, str], MetricRow] = {}
    for row in rows:
        before = latest.get(row[:2])
        if before is None or row[2:5] > before[2:5]:
            latest[row[:2]] = row
    newest = [*latest.values()]
    if not as_logged:
        rows.sort(key=lambda row: row[:5])  # of equal ones the first given stays first
        newest.sort(key=lambda row: row[:2])
    return rows, newest


def _log_metrics(conn: Connection, rows: Sequence[MetricRow], latest: Sequence[MetricRow]) -> None:
    if is_postgresql(conn):
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
INSERT INTO latest_metrics AS old ({_METRIC_COLUMNS}) {_UNNESTED_METRICS} {metrics.IF_NEWER}"""
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
  INSERT INTO latest_metrics AS old ({_METRIC_COLUMNS}) {_GIVEN} {metrics.IF_NEWER})
SELECT run_uuid FROM active"""
_SQLITE_METRICS: Final = (
    f"INSERT INTO metrics ({_METRIC_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_SQLITE_LATEST: Final = (
    f"INSERT INTO latest_metrics AS old ({_METRIC_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) "
    f"{metrics.IF_NEWER}"
)


def _columns(rows: Sequence[MetricRow]) -> tuple[str, ...]:
    """Metrics as arrays in PostgreSQL's notation: the driver takes ten times as long to write it.

    Python writes the shortest text that reads back as the same double.
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


def _log_params(
    conn: Connection, params: Mapping[tuple[str, str], str], entries: Sequence[Entry]
) -> None:
    """Add params; raises Contradicted.

    Written first and compared afterwards: an insert waits for a request that logs the same key.
    """
    # By runs only: two requests that log new params to one run at once, each in an order of its
    # own, might wait for each other. That is rare, and tried again.
    places = [*params] if is_kept(conn) else sorted(params, key=lambda place: place[0])
    rows = [(*place, params[place]) for place in places]
    if is_postgresql(conn):
        added = conn.exec_driver_sql(_POSTGRESQL_PARAMS, text_columns(rows)).rowcount
    else:
        added = conn.exec_driver_sql(_SQLITE_PARAMS, rows).rowcount
    if added == len(rows):
        return
    if is_postgresql(conn):
        found = conn.exec_driver_sql(_POSTGRESQL_FIND_PARAMS, text_columns(places))
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


_POSTGRESQL_PARAMS: Final = (
    f"INSERT INTO params (run_uuid, key, value) {UNNESTED_TEXTS} ON CONFLICT DO NOTHING"
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


def put_tags(conn: Connection, tags: Mapping[tuple[str, str], str]) -> None:
    """Set tags, given by run and key, over what they were before; none is checked."""
    rows = [(*place, tags[place]) for place in (tags if is_kept(conn) else sorted(tags))]
    if not rows:
        return
    if is_postgresql(conn):
        conn.exec_driver_sql(_POSTGRESQL_TAGS, text_columns(rows))
    else:
        conn.exec_driver_sql(_SQLITE_TAGS, rows)


_REPLACE: Final = "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
_POSTGRESQL_TAGS: Final = f"INSERT INTO tags (run_uuid, key, value) {UNNESTED_TEXTS} {_REPLACE}"
_SQLITE_TAGS: Final = f"INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?) {_REPLACE}"
