"""Stores what traces have become, by a few statements for any number of them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.database.direct import without_waiting
from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.messages.traces import COST, NAME, SESSION, TOKEN_USAGE
from tandem_metadata.spans import keys
from tandem_metadata.spans.summary import SpanSummary
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.traces import assessments, links
from tandem_metadata.store.traces.state import BASIC, TraceState
from tandem_metadata.store.traces.stored import columns

_EXPERIMENT: Final = 1
_TIME: Final = 2
_NAME: Final = BASIC
_SESSION: Final = BASIC + 1
_TOKENS: Final = slice(BASIC + 2, BASIC + 2 + len(TOKENS))
_COSTS: Final = slice(_TOKENS.stop, _TOKENS.stop + len(COSTS))
"""Places in `TraceState.row`."""

_SPAN_COLUMNS: Final = (
    "trace_id",
    "experiment_id",
    "span_id",
    "parent_span_id",
    "name",
    "type",
    "status",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "content",
)
_ANALYTICS: Final = (*COSTS, "model_name", "model_provider")
_UNTYPED: Final = "UNKNOWN"
"""The type of a span that tells none."""


def save(conn: Connection, schema: TraceSchema, traces: Sequence[TraceState]) -> None:
    """Store the traces, whose rows the transaction has created or locked, in their order."""
    assessments.put(
        conn,
        schema,
        [
            assessments.OfTrace(given, each.trace_id, each.experiment_id, each.timestamp_ms)
            for each in traces
            for given in each.assessments.values()
        ],
    )
    with without_waiting(conn):
        _save(conn, schema, traces)


def _save(conn: Connection, schema: TraceSchema, traces: Sequence[TraceState]) -> None:
    """All but assessments."""
    changed = [each for each in traces if each.stored and each.row() != each.stored]
    width = len(columns(schema))
    bulk.update(
        conn,
        schema.trace_info,
        columns(schema),
        [row for each in changed if (row := each.row()[:width]) != each.stored[:width]],
    )
    _save_spans(conn, schema, traces)
    _move(conn, schema, changed)
    _put(conn, schema.trace_tags.name, _tags(schema, traces))
    _put(conn, schema.trace_request_metadata.name, _metadata(schema, traces))
    if not schema.has_columns:
        _drop_metadata(conn, schema, changed)
        _save_metrics(conn, schema, traces)
    runs = ((each.trace_id, run_id) for each in traces for run_id in each.run_ids)
    links.link(conn, links.RUN, runs)


def _save_spans(conn: Connection, schema: TraceSchema, traces: Sequence[TraceState]) -> None:
    names: tuple[str, ...] = _SPAN_COLUMNS
    if schema.has_columns:
        names += _ANALYTICS
    elif schema.has_dimensions:
        names += ("dimension_attributes",)
    bulk.upsert(
        conn,
        schema.spans,
        names,
        [
            _span_row(schema, trace.experiment_id, span)
            for trace in traces
            for span in trace.spans.values()
        ],
        key=("trace_id", "span_id"),
    )


def _span_row(schema: TraceSchema, experiment_id: int, span: SpanSummary) -> tuple[Any, ...]:
    row = (
        span.trace_id,
        experiment_id,
        span.span_id,
        span.parent_id,
        span.name,
        span.type or _UNTYPED,
        span.status,
        span.start_ns,
        span.end_ns,
        span.content,
    )
    if schema.has_columns:
        cost = span.cost
        return (*row, *[cost.get(key) for key in COSTS], span.model, span.provider)
    if schema.has_dimensions:
        return (*row, _dimensions(span))
    return row


def _dimensions(span: SpanSummary) -> str | None:
    """Model and provider as MLflow has them; its migration fails for any other key."""
    given = ((keys.MODEL, span.model), (keys.PROVIDER, span.provider))
    known = {key: value for key, value in given if value is not None}
    return json.dumps(known) if known else None


def _move(conn: Connection, schema: TraceSchema, changed: Sequence[TraceState]) -> None:
    """Let spans and assessments follow their trace to another experiment or time."""
    moved = [each for each in changed if each.row()[_EXPERIMENT] != each.stored[_EXPERIMENT]]
    rows = [(each.trace_id, each.experiment_id) for each in moved]
    bulk.update(conn, schema.spans, ("trace_id", "experiment_id"), rows)
    if schema.has_columns:
        retimed = [each for each in changed if each.row()[_TIME] != each.stored[_TIME]]
        of_assessments = [
            (each.trace_id, each.experiment_id, each.timestamp_ms)
            for each in {each.trace_id: each for each in (*moved, *retimed)}.values()
        ]
        names = ("trace_id", "experiment_id", "trace_timestamp_ms")
        bulk.update(conn, schema.assessments, names, of_assessments)


def _tags(schema: TraceSchema, traces: Sequence[TraceState]) -> Iterator[tuple[str, str, str]]:
    for each in traces:
        for key, value in sorted(each.new_tags.items()):
            yield key, value, each.trace_id
        if not schema.has_columns and each.name is not None and _differs(each, _NAME):
            yield NAME, each.name, each.trace_id


def _metadata(schema: TraceSchema, traces: Sequence[TraceState]) -> Iterator[tuple[str, str, str]]:
    for each in traces:
        for key, value in sorted(each.new_metadata.items()):
            yield key, value, each.trace_id
        if schema.has_columns:
            continue
        if each.session is not None and _differs(each, _SESSION):
            yield SESSION, each.session, each.trace_id
        if each.tokens and _differs(each, _TOKENS):
            yield TOKEN_USAGE, json.dumps(each.tokens), each.trace_id
        if each.costs and _differs(each, _COSTS):
            yield COST, json.dumps(each.costs), each.trace_id


def _drop_metadata(conn: Connection, schema: TraceSchema, changed: Sequence[TraceState]) -> None:
    """Delete sums that have become none: a span that told some has come again without."""
    gone = [
        (key, each.trace_id)
        for each in changed
        for key, place, left in (
            (TOKEN_USAGE, _TOKENS, each.tokens),
            (COST, _COSTS, each.costs),
        )
        if not left and _differs(each, place)
    ]
    bulk.delete(conn, schema.trace_request_metadata, ("key", "request_id"), gone)


def _save_metrics(conn: Connection, schema: TraceSchema, traces: Sequence[TraceState]) -> None:
    """Store tokens of traces and costs of spans where there are tables for them."""
    if (table := schema.trace_metrics) is not None:
        counted = [each for each in traces if _differs(each, _TOKENS)]
        old = [(each.trace_id,) for each in counted if each.stored]
        bulk.delete(conn, table, ("request_id",), old)
        tokens = [
            (each.trace_id, key, float(value))
            for each in counted
            for key, value in each.tokens.items()
        ]
        bulk.upsert(conn, table, ("request_id", "key", "value"), tokens, key=("request_id", "key"))
    if (table := schema.span_metrics) is not None:
        again = [
            (each.trace_id, span_id) for each in traces if each.stored for span_id in each.spans
        ]
        bulk.delete(conn, table, ("trace_id", "span_id"), again)
        costs = [
            (span.trace_id, span.span_id, key, float(value))
            for each in traces
            for span in each.spans.values()
            for key, value in span.cost.items()
            if value is not None
        ]
        names = ("trace_id", "span_id", "key", "value")
        bulk.upsert(conn, table, names, costs, key=names[:3])


def _put(conn: Connection, table: str, rows: Iterator[tuple[str, str, str]]) -> None:
    if given := [*rows]:
        into = f"{table} (key, value, request_id)"
        put = "ON CONFLICT (key, request_id) DO UPDATE SET value = excluded.value"
        bulk.insert_texts(conn, into, given, put)


def _differs(trace: TraceState, place: int | slice) -> bool:
    return not trace.stored or bool(trace.row()[place] != trace.stored[place])
