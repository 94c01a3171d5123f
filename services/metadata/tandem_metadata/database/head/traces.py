"""Traces, their spans, tags, metadata, metrics and assessments."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
    text,
)

from tandem_metadata.database.head.base import HEAD
from tandem_metadata.database.tables.base import RUN_ID

_COSTS: Final = ("input_cost", "output_cost", "total_cost")


def _of_trace(column: str, name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], ["trace_info.request_id"], name=name, ondelete="CASCADE")


def _costs() -> list[Column[float]]:
    return [Column(name, Float(53)) for name in _COSTS]


def _covering_costs(name: str, first: str) -> Index:
    """On PostgreSQL the index alone tells the costs, of spans that have any."""
    return Index(
        name,
        first,
        "start_time_unix_nano",
        postgresql_include=[*_COSTS, "model_name", "model_provider"],
        postgresql_where=text(" OR ".join(f"({cost} IS NOT NULL)" for cost in _COSTS)),
    )


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
    Column("trace_name", String(4096)),
    Column("session_id", String(250)),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("cache_read_input_tokens", BigInteger),
    Column("cache_creation_input_tokens", BigInteger),
    Column("cache_creation_input_tokens_above_1hr", BigInteger),
    *_costs(),
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

trace_tags = Table(
    "trace_tags",
    HEAD,
    Column("key", String(250), nullable=False),
    Column("value", String(8000)),
    Column("request_id", String(50), nullable=False),
    PrimaryKeyConstraint("key", "request_id", name="trace_tag_pk"),
    _of_trace("request_id", "fk_trace_tags_request_id"),
    Index("index_trace_tags_request_id", "request_id"),
)

trace_request_metadata = Table(
    "trace_request_metadata",
    HEAD,
    Column("key", String(250), nullable=False),
    Column("value", String(8000)),
    Column("request_id", String(50), nullable=False),
    PrimaryKeyConstraint("key", "request_id", name="trace_request_metadata_pk"),
    _of_trace("request_id", "fk_trace_request_metadata_request_id"),
    Index("index_trace_request_metadata_request_id", "request_id"),
)

spans = Table(
    "spans",
    HEAD,
    Column("trace_id", String(50), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("span_id", String(50), nullable=False),
    Column("parent_span_id", String(50)),
    Column("name", Text),
    Column("type", String(500)),
    Column("status", String(50), nullable=False),
    Column("start_time_unix_nano", BigInteger, nullable=False),
    Column("end_time_unix_nano", BigInteger),
    Column(
        "duration_ns",
        BigInteger,
        Computed("end_time_unix_nano - start_time_unix_nano", persisted=True),
    ),
    Column("content", Text, nullable=False),
    *_costs(),
    Column("model_name", String(500)),
    Column("model_provider", String(500)),
    PrimaryKeyConstraint("trace_id", "span_id", name="spans_pk"),
    _of_trace("trace_id", "fk_spans_trace_id"),
    ForeignKeyConstraint(
        ["experiment_id"], ["experiments.experiment_id"], name="fk_spans_experiment_id"
    ),
    _covering_costs("idx_spans_cost_exp_time_cover", "experiment_id"),
    _covering_costs("idx_spans_cost_trace_time_cover", "trace_id"),
    Index("index_spans_experiment_id_duration", "experiment_id", "duration_ns"),
    Index("index_spans_experiment_id_start_time", "experiment_id", "start_time_unix_nano"),
    Index("index_spans_experiment_id_status_type", "experiment_id", "status", "type"),
    Index("index_spans_experiment_id_type_status", "experiment_id", "type", "status"),
)

assessments = Table(
    "assessments",
    HEAD,
    Column("assessment_id", String(50), nullable=False),
    Column("trace_id", String(50), nullable=False),
    Column("name", String(250), nullable=False),
    Column("assessment_type", String(20), nullable=False),
    Column("value", Text, nullable=False),
    Column("error", Text),
    Column("created_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("source_type", String(50), nullable=False),
    Column("source_id", String(250)),
    Column("run_id", String(RUN_ID)),
    Column("span_id", String(50)),
    Column("rationale", Text),
    Column("overrides", String(50)),
    Column("valid", Boolean, nullable=False),
    Column("assessment_metadata", Text),
    Column("experiment_id", Integer),
    Column("trace_timestamp_ms", BigInteger),
    Column("aggregate_value", Float(53)),
    Column("is_numeric_value", Boolean, server_default=false(), nullable=False),
    PrimaryKeyConstraint("assessment_id", name="assessments_pk"),
    _of_trace("trace_id", "fk_assessments_trace_id"),
    Index("idx_assessments_exp_name_valid", "experiment_id", "name", "valid"),
    Index("idx_assessments_exp_trace_ts", "experiment_id", "trace_timestamp_ms"),
    Index("idx_assessments_exp_trace_ts_name", "experiment_id", "trace_timestamp_ms", "name"),
    Index("index_assessments_assessment_type", "assessment_type"),
    Index("index_assessments_last_updated_timestamp", "last_updated_timestamp"),
    Index("index_assessments_run_id_created_timestamp", "run_id", "created_timestamp"),
    Index("index_assessments_trace_id_created_timestamp", "trace_id", "created_timestamp"),
)

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
