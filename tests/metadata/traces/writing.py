"""Changes of traces, and what they leave in the database, whatever its generation."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tandem_metadata.batching import trace_writer
from tandem_metadata.database import trace_schema
from tandem_metadata.database.database import Database
from tandem_metadata.spans.span import Event, Span
from tandem_metadata.spans.summary import SpanSummary, summarise_all
from tandem_metadata.store.traces import load, write
from tandem_metadata.store.traces.changes import Change, LogSpans, StartTrace, Told
from tandem_shared.wire import codec

START_MS = 1_795_885_063_779
MS = 1_000_000


_ANALYTICS = {
    "input_cost",
    "output_cost",
    "total_cost",
    "model_name",
    "model_provider",
    "dimension_attributes",
}


def new_id() -> bytes:
    return os.urandom(16)  # Hypothesis repeats what `random` gives


def name_of(trace: bytes) -> str:
    return f"tr-{trace.hex()}"


def span(
    trace: bytes,
    number: int = 1,
    parent: int | None = None,
    attributes: Mapping[str, Any] | None = None,
    *,
    start_ms: int = START_MS,
    end_ms: int | None = START_MS + 10,
    status: str = "OK",
    resource: dict[str, Any] | None = None,
    name: str = "",
    events: Sequence[Event] = (),
) -> SpanSummary:
    """A span whose id is a number."""
    given = Span(
        trace,
        number.to_bytes(8, "big"),
        None if parent is None else parent.to_bytes(8, "big"),
        name or f"step {number}",
        start_ms * MS,
        None if end_ms is None else end_ms * MS,
        status,
        attributes={"mlflow.traceRequestId": name_of(trace), **(attributes or {})},
        events=[*events],
        resource=resource or {},
    )
    return summarise_all([given])[0]


def usage(number: int, **more: int) -> dict[str, Any]:
    """Attributes of a span that used tokens, and what these cost."""
    tokens = {"input_tokens": number, "output_tokens": 1, "total_tokens": number + 1, **more}
    cost = {"input_cost": number / 8, "output_cost": 0.5, "total_cost": number / 8 + 0.5}
    return {
        "mlflow.chat.tokenUsage": tokens,
        "mlflow.llm.cost": cost,
        "mlflow.llm.model": "gpt",
        "mlflow.llm.provider": "openai",
    }


def started(trace: bytes, told: Told | None = None, **fields: Any) -> StartTrace:
    given: dict[str, Any] = {
        "experiment_id": "0",
        "timestamp_ms": START_MS + 1,
        "execution_time_ms": 7,
        "state": "OK",
    } | fields
    return StartTrace(name_of(trace), told=told or Told(), **given)


def logged(*spans: SpanSummary, experiment_id: str = "0", run_id: str | None = None) -> LogSpans:
    return LogSpans(experiment_id, spans, run_id)


def make(database: Database, *changes: Change) -> list[write.Outcome]:
    """Make changes in one transaction."""
    return [*trace_writer.commit(database, changes)]


def stored(database: Database, trace: bytes, *, with_analytics: bool = True) -> Any:
    """All that is stored of a trace, in the form of the generation that has columns for it.

    `with_analytics`: costs and models of spans must be where the generation has them.
    """
    with database.read() as conn:
        [info] = load.infos(conn, [name_of(trace)])
        found = json.loads(codec.encode_json(info))
        for key in ("mlflow.trace.tokenUsage", "mlflow.trace.cost"):
            if key in found.get("trace_metadata", {}):
                found["trace_metadata"][key] = json.loads(found["trace_metadata"][key])
        found["spans"] = spans_of(conn, name_of(trace), with_analytics=with_analytics)
        found["runs"] = _column(
            conn,
            "SELECT destination_id FROM entity_associations WHERE source_id = :id"
            " AND source_type = 'trace' AND destination_type = 'run' ORDER BY 1",
            name_of(trace),
        )
        _check_metrics(conn, found)
    found = json.loads(json.dumps(found).replace(name_of(trace), "TRACE"))
    del found["trace_id"]
    return found


def spans_of(
    conn: Connection, trace_id: str, *, with_analytics: bool = True
) -> list[dict[str, Any]]:
    """The spans that are stored, each as its columns and attributes."""
    schema = trace_schema.of(conn)
    rows = conn.execute(
        schema.spans.select()
        .where(schema.spans.c.trace_id == trace_id)
        .order_by(schema.spans.c.span_id)
    ).mappings()
    found = []
    for row in rows:
        kept = dict(row)
        content = json.loads(kept.pop("content"))
        kept["attributes"] = {
            key: value
            for key, value in content["attributes"].items()
            if key != "mlflow.traceRequestId"
        }
        attributes = {key: json.loads(text) for key, text in kept["attributes"].items()}
        if with_analytics:
            _check_analytics(conn, schema, kept, attributes)
        for name in _ANALYTICS & kept.keys():
            del kept[name]
        found.append(kept)
    return found


def _check_analytics(
    conn: Connection,
    schema: trace_schema.TraceSchema,
    kept: dict[str, Any],
    attributes: Mapping[str, Any],
) -> None:
    """Costs and model are where the generation has them, and nowhere else."""
    cost = attributes.get("mlflow.llm.cost", {})
    dimensions = {
        key: attributes[key]
        for key in ("mlflow.llm.model", "mlflow.llm.provider")
        if key in attributes
    }
    if schema.has_columns:
        for key in ("input_cost", "output_cost", "total_cost"):
            assert kept[key] == cost.get(key)
        assert kept["model_name"] == dimensions.get("mlflow.llm.model")
        assert kept["model_provider"] == dimensions.get("mlflow.llm.provider")
    if schema.has_dimensions:
        assert (kept["dimension_attributes"] or {}) == dimensions
    if schema.span_metrics is not None:
        table = schema.span_metrics
        rows = conn.execute(
            table.select().where(
                table.c.trace_id == kept["trace_id"], table.c.span_id == kept["span_id"]
            )
        )
        metrics = {row.key: row.value for row in rows}
        assert metrics == ({} if schema.has_columns else cost)


def _check_metrics(conn: Connection, found: Mapping[str, Any]) -> None:
    """Tokens are in the table of metrics too, in the generation that reads them there."""
    schema = trace_schema.of(conn)
    if (table := schema.trace_metrics) is None:
        return
    rows = conn.execute(table.select().where(table.c.request_id == found["trace_id"]))
    tokens = found.get("trace_metadata", {}).get("mlflow.trace.tokenUsage", {})
    assert {row.key: row.value for row in rows} == ({} if schema.has_columns else tokens)


def _column(conn: Connection, statement: str, trace_id: str) -> Sequence[Any]:
    return [*conn.execute(text(statement), {"id": trace_id}).scalars()]
