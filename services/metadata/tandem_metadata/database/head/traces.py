"""Traces, their spans, tags, metadata, metrics and assessments."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    text,
)

from tandem_metadata.database.head.base import HEAD, extended
from tandem_metadata.database.tables import traces
from tandem_metadata.database.tables.traces import (
    COSTS,
    assessment_analytics,
    span_analytics,
    trace_analytics,
)

_OF_COSTS: Final = text(" OR ".join(f"({cost} IS NOT NULL)" for cost in COSTS))

trace_info = Table(
    "trace_info",
    HEAD,
    Column("request_id", String(50), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("execution_time_ms", BigInteger),
    Column("status", String(50), nullable=False),
    Column("client_request_id", String(50)),
    Column("request_preview", String(1000)),
    Column("response_preview", String(1000)),
    Column("db_payload_generation", Integer, server_default="0", nullable=False),
    *trace_analytics(),
    PrimaryKeyConstraint("request_id", name="trace_info_pk"),
    ForeignKeyConstraint(
        ["experiment_id"],
        ["experiments.experiment_id"],
        name="fk_trace_info_experiment_id",
        ondelete="CASCADE",
    ),
    Index("index_trace_info_experiment_id_session_id", "experiment_id", "session_id"),
    Index("index_trace_info_experiment_id_timestamp_ms", "experiment_id", "timestamp_ms"),
    Index("index_trace_info_timestamp_ms_request_id", "timestamp_ms", "request_id"),
)

trace_tags = extended(traces.trace_tags)
trace_request_metadata = extended(traces.trace_request_metadata)
spans = extended(traces.spans, *span_analytics())
assessments = extended(traces.assessments, *assessment_analytics())

Index("index_spans_experiment_id_start_time", spans.c.experiment_id, spans.c.start_time_unix_nano)
for _name, _first in (
    ("idx_spans_cost_exp_time_cover", spans.c.experiment_id),
    ("idx_spans_cost_trace_time_cover", spans.c.trace_id),
):
    # On PostgreSQL the index alone tells the costs, of spans that have any.
    Index(
        _name,
        _first,
        spans.c.start_time_unix_nano,
        postgresql_include=[*COSTS, "model_name", "model_provider"],
        postgresql_where=_OF_COSTS,
    )

for _name, _columns in (
    ("idx_assessments_exp_name_valid", ("experiment_id", "name", "valid")),
    ("idx_assessments_exp_trace_ts", ("experiment_id", "trace_timestamp_ms")),
    ("idx_assessments_exp_trace_ts_name", ("experiment_id", "trace_timestamp_ms", "name")),
):
    Index(_name, *(assessments.c[column] for column in _columns))

trace_metrics = Table(
    "trace_metrics",
    HEAD,
    Column("request_id", String(50), nullable=False),
    Column("key", String(250), nullable=False),
    Column("value", Float(53)),
    PrimaryKeyConstraint("request_id", "key", name="trace_metrics_pk"),
    ForeignKeyConstraint(
        ["request_id"],
        ["trace_info.request_id"],
        name="fk_trace_metrics_request_id",
        ondelete="CASCADE",
    ),
    Index("index_trace_metrics_request_id", "request_id"),
)

span_metrics = Table(
    "span_metrics",
    HEAD,
    Column("trace_id", String(50), nullable=False),
    Column("span_id", String(50), nullable=False),
    Column("key", String(250), nullable=False),
    Column("value", Float(53)),
    PrimaryKeyConstraint("trace_id", "span_id", "key", name="span_metrics_pk"),
    ForeignKeyConstraint(
        ["trace_id", "span_id"],
        ["spans.trace_id", "spans.span_id"],
        name="fk_span_metrics_span",
        ondelete="CASCADE",
    ),
    Index("index_span_metrics_trace_id_span_id", "trace_id", "span_id"),
)
