"""Traces, their spans, tags, metadata and assessments."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from tandem_metadata.database.tables.base import METADATA, RUN_ID


def _of_trace(column: str, name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], ["trace_info.request_id"], name=name, ondelete="CASCADE")


trace_info = Table(
    "trace_info",
    METADATA,
    Column("request_id", String(50), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("timestamp_ms", BigInteger, nullable=False),
    Column("execution_time_ms", BigInteger),
    Column("status", String(50), nullable=False),
    Column("client_request_id", String(50)),
    Column("request_preview", String(1000)),
    Column("response_preview", String(1000)),
    PrimaryKeyConstraint("request_id", name="trace_info_pk"),
    ForeignKeyConstraint(
        ["experiment_id"], ["experiments.experiment_id"], name="fk_trace_info_experiment_id"
    ),
    Index("index_trace_info_experiment_id_timestamp_ms", "experiment_id", "timestamp_ms"),
)

trace_tags = Table(
    "trace_tags",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(8000)),
    Column("request_id", String(50), nullable=False),
    PrimaryKeyConstraint("key", "request_id", name="trace_tag_pk"),
    _of_trace("request_id", "fk_trace_tags_request_id"),
    Index("index_trace_tags_request_id", "request_id"),
)

trace_request_metadata = Table(
    "trace_request_metadata",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(8000)),
    Column("request_id", String(50), nullable=False),
    PrimaryKeyConstraint("key", "request_id", name="trace_request_metadata_pk"),
    _of_trace("request_id", "fk_trace_request_metadata_request_id"),
    Index("index_trace_request_metadata_request_id", "request_id"),
)

spans = Table(
    "spans",
    METADATA,
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
    PrimaryKeyConstraint("trace_id", "span_id", name="spans_pk"),
    _of_trace("trace_id", "fk_spans_trace_id"),
    ForeignKeyConstraint(
        ["experiment_id"], ["experiments.experiment_id"], name="fk_spans_experiment_id"
    ),
    Index("index_spans_experiment_id", "experiment_id"),
    Index("index_spans_experiment_id_duration", "experiment_id", "duration_ns"),
    Index("index_spans_experiment_id_status_type", "experiment_id", "status", "type"),
    Index("index_spans_experiment_id_type_status", "experiment_id", "type", "status"),
)

assessments = Table(
    "assessments",
    METADATA,
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
    PrimaryKeyConstraint("assessment_id", name="assessments_pk"),
    _of_trace("trace_id", "fk_assessments_trace_id"),
    Index("index_assessments_assessment_type", "assessment_type"),
    Index("index_assessments_last_updated_timestamp", "last_updated_timestamp"),
    Index("index_assessments_run_id_created_timestamp", "run_id", "created_timestamp"),
    Index("index_assessments_trace_id_created_timestamp", "trace_id", "created_timestamp"),
)
