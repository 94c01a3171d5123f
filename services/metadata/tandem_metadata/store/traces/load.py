"""Traces without their spans, read for many traces at once: two statements in one message.

Where a revision of MLflow's schema has columns for a trace's name, session, tokens and costs, these
count, and not a tag and metadata: answers are the same in all generations (`trace_schema`).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from tandem_metadata.database import trace_schema
from tandem_metadata.database.direct import Rows, fetch_each, fetch_tuples
from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.messages import times, traces
from tandem_metadata.messages.key_value import KeyValue
from tandem_metadata.messages.traces import (
    ExperimentLocation,
    OldTraceInfo,
    TraceInfo,
    TraceLocation,
)
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.dialect.texts import given_texts, rows_of
from tandem_metadata.store.traces import load_assessments
from tandem_shared.errors import NotFound

_KEY_CHARACTERS: Final = 250
_METADATA_CHARACTERS: Final = 250
_TAG_CHARACTERS: Final = 4096
"""What answers hold of keys and values that are stored longer."""

_IN_METADATA: Final = (traces.SESSION, traces.TOKEN_USAGE, traces.COST)
_NEW_STATES: Final = {"TRACE_STATUS_UNSPECIFIED": "STATE_UNSPECIFIED"}
"""States of version 2 that version 3 calls otherwise."""

_OWN: Final = (
    "request_id, experiment_id, timestamp_ms, execution_time_ms, status, client_request_id, "
    "request_preview, response_preview"
)
_OWN_WIDTH: Final = 8
_ANALYTICS: Final = ", ".join(("trace_name", "session_id", *TOKENS, *COSTS))
_ID: Final = "request_id"
_OBJECT: Final = msgspec.json.Decoder(dict[str, str])

Pairs = dict[str, dict[str, str]]
"""Keys and values, by trace."""


class _Loaded(NamedTuple):
    rows: Sequence[tuple[Any, ...]]
    tags: Pairs
    metadata: Pairs


def infos(conn: Connection, trace_ids: Collection[str]) -> list[TraceInfo]:
    """The traces that exist, in the order of the ids, each once, with their assessments."""
    loaded, found = _load(conn, trace_ids, load_assessments.statement(conn))
    assessments = load_assessments.by_trace(found)
    return [
        TraceInfo(
            trace_id=row[0],
            trace_location=TraceLocation(ExperimentLocation(str(row[1]))),
            request_time=times.time(row[2]),
            execution_duration=None if row[3] is None else times.duration(row[3]),
            state=_NEW_STATES.get(row[4], row[4]),
            client_request_id=row[5],
            request_preview=row[6],
            response_preview=row[7],
            trace_metadata=loaded.metadata[row[0]],
            tags=loaded.tags[row[0]],
            assessments=assessments.get(row[0], []),
        )
        for row in loaded.rows
    ]


def info(conn: Connection, trace_id: str) -> TraceInfo:
    """One trace; raises NotFound."""
    if found := infos(conn, [trace_id]):
        return found[0]
    raise not_found(trace_id)


def old_infos(conn: Connection, trace_ids: Collection[str]) -> list[OldTraceInfo]:
    """As `infos`, in the form of version 2: without assessments and previews."""
    loaded, _ = _load(conn, trace_ids)
    return [
        OldTraceInfo(
            request_id=trace_id,
            experiment_id=str(experiment_id),
            timestamp_ms=timestamp,
            execution_time_ms=lasted or 0,
            status=traces.old_state(state),
            request_metadata=_pairs(loaded.metadata[trace_id]),
            tags=_pairs(loaded.tags[trace_id]),
        )
        for trace_id, experiment_id, timestamp, lasted, state, *_ in loaded.rows
    ]


def old_info(conn: Connection, trace_id: str) -> OldTraceInfo:
    """One trace in the form of version 2; raises NotFound."""
    if found := old_infos(conn, [trace_id]):
        return found[0]
    raise not_found(trace_id)


def not_found(trace_id: str) -> NotFound:
    """The error for a trace that does not exist."""
    return NotFound(f"Trace with ID '{trace_id}' not found.")


def experiments_of(conn: Connection, trace_ids: Collection[str]) -> dict[str, str]:
    """The ids of the experiments of those traces that exist."""
    rows = fetch_tuples(
        conn,
        f"SELECT request_id, experiment_id {rows_of(conn, 'trace_info', _ID)}",
        given_texts(conn, trace_ids),
    )
    return {trace_id: str(experiment_id) for trace_id, experiment_id in rows}


def _load(conn: Connection, trace_ids: Collection[str], *others: str) -> tuple[_Loaded, Rows]:
    """The traces, and what another statement finds by the same ids, if one is given."""
    has_columns = trace_schema.of(conn).has_columns
    columns = f"{_OWN}, {_ANALYTICS}" if has_columns else _OWN
    tables = ("trace_tags", "trace_request_metadata")
    objects = ", ".join(_as_object(conn, each) for each in tables)
    statements = (f"SELECT {columns}, {objects} {rows_of(conn, 'trace_info', _ID)}", *others)
    given = given_texts(conn, trace_ids)
    found, *rest = fetch_each(conn, [(each, given) for each in statements], by_index=True)
    by_id = {row[0]: row for row in found}
    rows = [by_id[each] for each in dict.fromkeys(trace_ids) if each in by_id]
    tags = {row[0]: _read_object(row[-2], _TAG_CHARACTERS) for row in rows}
    metadata = {row[0]: _read_object(row[-1], _METADATA_CHARACTERS) for row in rows}
    if has_columns:
        for row in rows:
            _use_columns(row[_OWN_WIDTH:-2], tags[row[0]], metadata[row[0]])
    return _Loaded(rows, tags, metadata), rest[0] if rest else ()


def _as_object(conn: Connection, table: str) -> str:
    """What selects the keys and values that a trace has in a table, as JSON; NULL or {} for none.

    One text a trace takes a third of the time that rows of their own take.
    """
    pairs = "json_object_agg(key, coalesce(value, ''))::text"
    if not is_postgresql(conn):
        pairs = "json_group_object(key, coalesce(value, ''))"
    return f"(SELECT {pairs} FROM {table} WHERE {table}.{_ID} = trace_info.{_ID})"


def _read_object(text: str | None, characters: int) -> dict[str, str]:
    if text is None:
        return {}
    pairs = _OBJECT.decode(text)
    if len(text) > min(characters, _KEY_CHARACTERS):
        return {key[:_KEY_CHARACTERS]: value[:characters] for key, value in pairs.items()}
    return pairs


def _use_columns(values: Sequence[Any], tags: dict[str, str], metadata: dict[str, str]) -> None:
    """Let the columns say what they hold, and nothing else."""
    name, session, *numbers = values
    tags.pop(traces.NAME, None)
    if name is not None:
        tags[traces.NAME] = name[:_TAG_CHARACTERS]
    for key in _IN_METADATA:
        metadata.pop(key, None)
    if session is not None:
        metadata[traces.SESSION] = session
    for key, names, counted in (
        (traces.TOKEN_USAGE, TOKENS, numbers[: len(TOKENS)]),
        (traces.COST, COSTS, numbers[len(TOKENS) :]),
    ):
        if (known := _object(names, counted)) is not None:
            metadata[key] = known


def _object(names: Sequence[str], numbers: Sequence[float | None]) -> str | None:
    """JSON of the numbers that are known, as an encoder writes it in five times the time."""
    known = [(name, value) for name, value in zip(names, numbers, strict=True) if value is not None]
    if not known:
        return None
    for _, value in known:
        if not isfinite(value):
            return json.dumps(dict(known))
    pairs = ", ".join([f'"{name}": {value!r}' for name, value in known])
    return f"{{{pairs}}}"


def _pairs(values: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key, value) for key, value in values.items()]
