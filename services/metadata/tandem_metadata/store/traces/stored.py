"""Reads and locks what is stored of traces that are going to be written to."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from tandem_metadata.database import trace_schema
from tandem_metadata.database.direct import Rows, fetch_each
from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.messages.traces import COST, NAME, SESSION, TOKEN_USAGE
from tandem_metadata.spans import keys
from tandem_metadata.spans.document import as_json, value_of
from tandem_metadata.spans.summary import cost_of, span_cost, span_usage, usage_of
from tandem_metadata.spans.usage import Row
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.dialect.texts import any_of_texts, given_texts
from tandem_metadata.store.traces.state import BASIC, FINALIZED, USER, TraceState

BASIC_COLUMNS: Final = (
    "request_id",
    "experiment_id",
    "timestamp_ms",
    "execution_time_ms",
    "status",
    "client_request_id",
    "request_preview",
    "response_preview",
)
COLUMNS: Final = (*BASIC_COLUMNS, "trace_name", "session_id", *TOKENS, *COSTS)
"""Those of `TraceState.row`; a database has all of them, or the basic ones."""

_METADATA: Final = (FINALIZED, USER, SESSION, TOKEN_USAGE, COST)
_MAY_COUNT: Final = {
    "postgresql": f"strpos(content, '{keys.USAGE}') > 0 OR strpos(content, '{keys.COST}') > 0",
    "sqlite": f"instr(content, '{keys.USAGE}') > 0 OR instr(content, '{keys.COST}') > 0",
}


class _Document(msgspec.Struct):
    attributes: dict[str, Any] | None = None


_decoder: Final = msgspec.json.Decoder(_Document)


def columns(schema: TraceSchema) -> tuple[str, ...]:
    """The columns of `trace_info` in which the values of a row are, as far as there are any."""
    return COLUMNS if schema.has_columns else BASIC_COLUMNS


class Found(NamedTuple):
    """What a transaction that writes traces finds."""

    schema: TraceSchema
    experiments: dict[int, tuple[str | None, str | None]]
    """Stage and location of each experiment that exists."""
    traces: dict[str, TraceState]
    """Those that exist, locked as by `lock`."""


def look(conn: Connection, experiments: Sequence[int], trace_ids: Collection[str]) -> Found:
    """What the database has of experiments and of traces, asked in one message."""
    chosen, given = "IN (SELECT value FROM json_each(?))", json.dumps(experiments)
    if is_postgresql(conn):
        chosen, given = "= ANY(ARRAY(SELECT unnest(%s::int[])))", [*experiments]  # type: ignore[assignment]
    statement = (
        "SELECT experiment_id, lifecycle_stage, artifact_location FROM experiments "
        f"WHERE experiment_id {chosen}"
    )
    expected = trace_schema.of(conn)
    found, *locked, revisions = fetch_each(
        conn,
        [
            (statement, (given,)),
            *_locking(conn, expected, trace_ids),
            (trace_schema.REVISION, ()),  # last: what is locked is not migrated any more
        ],
    )
    schema = trace_schema.at(conn, revisions[0][0] if revisions else None)
    traces = _states(schema, *locked) if schema is expected else lock(conn, schema, trace_ids)
    return Found(schema, {number: (stage, at) for number, stage, at in found}, traces)


def create(conn: Connection, schema: TraceSchema, traces: Sequence[TraceState]) -> set[str]:
    """Store the rows of those that do not exist yet, and return their ids.

    `lock` has not found them: on SQLite, where nobody else writes, none exists then. On PostgreSQL
    it waits for transactions that create one of them.
    """
    width = len(columns(schema))
    rows = [trace.row()[:width] for trace in traces]
    return bulk.insert_new(conn, schema.trace_info, columns(schema), rows)


def lock(
    conn: Connection, schema: TraceSchema, trace_ids: Collection[str]
) -> dict[str, TraceState]:
    """The traces that exist, which nobody else writes to until the transaction ends."""
    return _states(schema, *fetch_each(conn, _locking(conn, schema, trace_ids)))


def _locking(
    conn: Connection, schema: TraceSchema, trace_ids: Collection[str]
) -> list[tuple[str, Any]]:
    """The statements of `lock`, for `_states` to read."""
    given = given_texts(conn, trace_ids)
    among = f"WHERE request_id {any_of_texts(conn)}"
    locked = "ORDER BY request_id FOR NO KEY UPDATE" if is_postgresql(conn) else ""
    names = ", ".join(columns(schema))
    wanted = ", ".join(f"'{key}'" for key in _METADATA)
    return [
        (f"SELECT {names} FROM trace_info {among} {locked}", given),
        (
            f"SELECT 0, request_id, key, value FROM trace_tags {among} UNION ALL "
            f"SELECT 1, request_id, key, value FROM trace_request_metadata {among} "
            f"AND key IN ({wanted})",
            given,
        ),
    ]


def _states(schema: TraceSchema, rows: Rows, pairs: Rows) -> dict[str, TraceState]:
    found = {row[0]: TraceState(*row[:BASIC]) for row in rows}
    if not found:
        return found
    if schema.has_columns:
        for row in rows:
            _take_columns(found[row[0]], row[BASIC:])
    for is_metadata, trace_id, key, value in pairs:
        if (trace := found.get(trace_id)) is None:  # it has come between the two statements
            continue
        if not is_metadata:
            _take_tag(trace, key, value or "", schema)
        elif key in (FINALIZED, USER):
            trace.metadata[key] = value
        elif not schema.has_columns:
            _take_metadata(trace, key, value)
    for trace in found.values():
        trace.stored = trace.row()
    return found


def _take_columns(trace: TraceState, values: Sequence[Any]) -> None:
    trace.name, trace.session, *numbers = values
    trace.tokens = _known(TOKENS, numbers)
    trace.costs = _known(COSTS, numbers[len(TOKENS) :])


def _take_tag(trace: TraceState, key: str, value: str, schema: TraceSchema) -> None:
    if key != NAME:
        trace.tags[key] = value
    elif not schema.has_columns:
        trace.name = value


def _take_metadata(trace: TraceState, key: str, value: str) -> None:
    match key:
        case "mlflow.trace.session":
            trace.session = value
        case "mlflow.trace.tokenUsage":
            trace.tokens = usage_of({keys.USAGE: value_of(value)})
        case "mlflow.trace.cost":
            trace.costs = cost_of({keys.COST: value_of(value)})


def _known(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    pairs = zip(names, values, strict=False)
    return {name: value for name, value in pairs if value is not None}


def spans(conn: Connection, trace_ids: Sequence[str]) -> Mapping[str, list[Row]]:
    """What sums need of the spans of traces, by trace."""
    found = conn.exec_driver_sql(
        "SELECT trace_id, span_id, parent_span_id, "
        f"CASE WHEN {_MAY_COUNT[conn.dialect.name]} THEN content END "
        f"FROM spans WHERE trace_id {any_of_texts(conn)}",
        given_texts(conn, trace_ids),
    )
    rows: dict[str, list[Row]] = {}
    for trace_id, span_id, parent_id, content in found:
        usage, cost = _counts(content) if content else (None, None)
        rows.setdefault(trace_id, []).append(Row(span_id, parent_id, usage, cost))
    return rows


def _counts(
    content: str,
) -> tuple[Mapping[str, int | None] | None, Mapping[str, float | None] | None]:
    try:
        attributes = _decoder.decode(content).attributes or {}
    except (msgspec.DecodeError, RecursionError):
        try:  # which has NaN in an event
            attributes = _decoder.decode(as_json(content)).attributes or {}
        except (msgspec.DecodeError, RecursionError):
            return None, None
    wanted: dict[str, Any] = {
        key: value_of(attributes[key]) for key in (keys.USAGE, keys.COST) if key in attributes
    }
    return span_usage(wanted) or None, span_cost(wanted) or None
