"""Deletes rows of what is deleted for good, and counts them: so many in each transaction."""

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    any_,
    delete,
    func,
    literal_column,
    select,
    update,
)

from tandem_metadata.cleanup import parts
from tandem_metadata.cleanup.items import DELETED, Kind
from tandem_metadata.cleanup.parts import ROLLUPS, Part, Schema
from tandem_metadata.database.head import rollups
from tandem_metadata.database.tables.logged_models import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from tandem_metadata.database.tables.traces import spans, trace_info
from tandem_metadata.database.tables.tracking import experiments, runs
from tandem_metadata.store.dialect.in_list import any_of, none_of

MOST: Final = 10_000
"""Rows of a transaction: others wait for their locks, on SQLite all that write."""

_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime.date(1970, 1, 1)
_QUEUE: Final = rollups.sql_trace_rollup_rebuild_queue


@dataclass(slots=True)
class Deletion:
    """What one transaction has deleted."""

    keys: list[Any]
    """Of those things that could be deleted: others are gone, or in use again."""
    rows: Counter[str] = field(default_factory=Counter)
    """By table, without daily sums."""
    is_whole: bool = True
    """Whether nothing of these things is left."""


def count(
    conn: Connection, kind: Kind, keys: Sequence[Any], schema: Schema, counted: set[int]
) -> int:
    """How many rows go with the things, their own among them, and daily sums left out.

    What lies in an experiment is to be counted before it. A row of two things counts once:
    `counted` holds those of earlier things, as hashes, and these are added.
    """
    total = 0
    for part in parts.of(kind, schema):
        if part.table in _SUMS:
            continue
        where = [part.where(conn, part.table, keys)]
        if kind is Kind.EXPERIMENT and part.table in _MOVED:
            column, of, of_key = _MOVED[part.table]
            owners = select(of.c[of_key]).where(of.c[of_key] == part.table.c[column])
            where.append(~owners.exists())
        told_apart = [part.table.c[name] for name in _SHARED.get(part.table.name, ())]
        statement = select(func.count(), *told_apart).select_from(part.table).where(*where)
        for number, *names in conn.execute(statement.group_by(*told_apart)):
            if told_apart:
                key = hash((part.table.name, *names))
                if key in counted:
                    continue
                counted.add(key)
            total += number
    return total


def remove(
    conn: Connection,
    kind: Kind,
    keys: Sequence[Any],
    schema: Schema,
    *,
    within: int | None = None,
) -> Deletion:
    """Delete rows of those things that are deleted still, `MOST` at the most.

    With `within`, it is their experiment that must be deleted. Nobody changes the things until the
    transaction ends. Until nothing of them is left it is to be called again, with the same keys, in
    a transaction of its own.
    """
    made = Deletion(_lock(conn, kind, keys, within))
    if not made.keys:
        return made
    if kind is Kind.TRACE:
        _forget_sums(conn, made.keys, schema)
    if kind is Kind.EXPERIMENT:
        _keep_what_moved(conn, made.keys)
    left = MOST
    for part in parts.of(kind, schema):
        gone = _some(conn, part, made.keys, left)
        if gone and part.table not in _SUMS:
            made.rows[part.table.name] += gone
        left -= gone
        if left <= 0:
            made.is_whole = False
            break
    return made


def _lock(conn: Connection, kind: Kind, keys: Sequence[Any], within: int | None) -> list[Any]:
    key, stage, experiment = _LOCKED[kind]
    chosen = select(key).where(any_of(conn, key, keys)).order_by(key).with_for_update()
    if within is not None:
        if not _lock(conn, Kind.EXPERIMENT, [within], None):
            return []
        chosen = chosen.where(experiment == within)
    elif stage is not None:
        chosen = chosen.where(stage == DELETED)
    return [*conn.scalars(chosen)]


def _keep_what_moved(conn: Connection, experiment_ids: Sequence[int]) -> None:
    """Have rows of what lies in another experiment by now name that one."""
    for table, (column, of, of_key) in _MOVED.items():
        here = any_of(conn, table.c.experiment_id, experiment_ids)
        now = select(of.c.experiment_id).where(of.c[of_key] == table.c[column])
        elsewhere = now.where(of.c.experiment_id != table.c.experiment_id)
        conn.execute(
            update(table)
            .where(here, elsewhere.exists())
            .values(experiment_id=now.scalar_subquery())
        )


def _some(conn: Connection, part: Part, keys: Sequence[Any], most: int) -> int:
    """Delete so many of a part's rows; returns how many there were."""
    table = part.table
    inner = table.alias("chosen")
    which = "rowid" if conn.dialect.name == "sqlite" else "ctid"
    chosen: Select[Any] = (
        select(literal_column(f"chosen.{which}"))
        .select_from(inner)
        .where(part.where(conn, inner, keys))
        .limit(most)
    )
    place: ColumnElement[Any] = literal_column(f"{table.name}.{which}")
    if conn.dialect.name == "sqlite":
        return conn.execute(delete(table).where(place.in_(chosen))).rowcount
    # An array, which PostgreSQL reads row by row; a join would read the table.
    array = func.array(chosen.scalar_subquery())
    return conn.execute(delete(table).where(place == any_(array))).rowcount


def _forget_sums(conn: Connection, trace_ids: Sequence[str], schema: Schema) -> None:
    """Delete the sums of the days of traces.

    MLflow makes no answer of a sum that is missing, but one that is wrong it would believe. A span
    counts on its own day.
    """
    there = [each for each in ROLLUPS if schema.has(each)]
    if not there:
        return
    days = _days(conn, trace_ids)
    for experiment_id, day in sorted(days):
        date = _EPOCH + datetime.timedelta(days=day)
        for table in there:
            conn.execute(delete(table).where(*_on(table, experiment_id, date)))
        if schema.has(_QUEUE):
            others = select(trace_info.c.request_id).where(
                trace_info.c.experiment_id == experiment_id,
                trace_info.c.timestamp_ms >= day * _DAY_MS,
                trace_info.c.timestamp_ms < (day + 1) * _DAY_MS,
                none_of(conn, trace_info.c.request_id, trace_ids),
            )
            rest = delete(_QUEUE).where(*_on(_QUEUE, experiment_id, date), ~others.exists())
            conn.execute(rest)


def _days(conn: Connection, trace_ids: Sequence[str]) -> set[tuple[int, int]]:
    """Experiments, and days since 1970, of traces and of their spans."""
    found = set()
    for number, time, divisor, chosen in (
        (trace_info.c.experiment_id, trace_info.c.timestamp_ms, _DAY_MS, trace_info.c.request_id),
        (spans.c.experiment_id, spans.c.start_time_unix_nano, _DAY_MS * 10**6, spans.c.trace_id),
    ):
        day = time // divisor
        statement = select(number, day).where(any_of(conn, chosen, trace_ids)).distinct()
        found |= {(row[0], int(row[1])) for row in conn.execute(statement)}
    return {(number, day) for number, day in found if _is_date(day)}


def _is_date(day: int) -> bool:
    """Whether a day has a date; clients choose the times of traces."""
    return 0 <= day <= (datetime.date.max - _EPOCH).days


def _on(table: Table, experiment_id: int, date: datetime.date) -> list[Any]:
    return [table.c.experiment_id == experiment_id, table.c.rollup_day == date]


_LOCKED: Final[dict[Kind, tuple[Any, Any, Any]]] = {
    kind: (table.c[key], table.c.get("lifecycle_stage"), table.c.experiment_id)
    for kind, table, key in (
        (Kind.EXPERIMENT, experiments, "experiment_id"),
        (Kind.RUN, runs, "run_uuid"),
        (Kind.LOGGED_MODEL, logged_models, "model_id"),
        (Kind.TRACE, trace_info, "request_id"),
    )
}
"""Key, lifecycle stage and experiment."""

_MOVED: Final[dict[Table, tuple[str, Table, str]]] = {
    spans: ("trace_id", trace_info, "request_id"),
    logged_model_metrics: ("model_id", logged_models, "model_id"),
    logged_model_params: ("model_id", logged_models, "model_id"),
    logged_model_tags: ("model_id", logged_models, "model_id"),
}
"""Tables that name an experiment beside what lies in one, and goes with its rows."""

_SHARED: Final[dict[str, Sequence[str]]] = {
    "entity_associations": ("source_type", "source_id", "destination_type", "destination_id"),
    "inputs": ("source_type", "source_id", "destination_type", "destination_id"),
    "input_tags": ("input_uuid",),
    "logged_model_metrics": ("model_id", "run_id"),
    "review_queue_items": ("queue_id", "item_id"),
}
"""Tables of which a row may belong to two things, with what tells these apart.

By name: of some tables there is an object for each revision.
"""

_SUMS: Final = frozenset({*ROLLUPS, _QUEUE})
"""Tables of daily sums. Their rows go with the first traces of a day, or with the experiment."""
