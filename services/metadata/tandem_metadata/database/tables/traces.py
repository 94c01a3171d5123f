"""Traces, their tags, metadata, spans and assessments, and links between any two things.

`trace_schema` adds the columns and tables that a newer revision has for them.
"""

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
)

from tandem_metadata.database.tables.base import FILLED, METADATA, RUN_ID, UPSERTED

TOKENS: Final = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
)
"""Columns of a trace's tokens, at revisions that have them, and keys of `trace_metrics`."""

COSTS: Final = ("input_cost", "output_cost", "total_cost")
"""Columns of a trace's and a span's costs in USD, and keys of `span_metrics`."""


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
    info=UPSERTED,
)

trace_tags = Table(
    "trace_tags",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(8000), info=FILLED),
    Column("request_id", String(50), nullable=False),
    PrimaryKeyConstraint("key", "request_id", name="trace_tag_pk"),
    _of_trace("request_id", "fk_trace_tags_request_id"),
    Index("index_trace_tags_request_id", "request_id"),
    info=UPSERTED,
)

trace_request_metadata = Table(
    "trace_request_metadata",
    METADATA,
    Column("key", String(250), nullable=False),
    Column("value", String(8000), info=FILLED),
    Column("request_id", String(50), nullable=False),
    PrimaryKeyConstraint("key", "request_id", name="trace_request_metadata_pk"),
    _of_trace("request_id", "fk_trace_request_metadata_request_id"),
    Index("index_trace_request_metadata_request_id", "request_id"),
    info=UPSERTED,
)

spans = Table(
    "spans",
    METADATA,
    Column("trace_id", String(50), nullable=False),
    Column("experiment_id", Integer, nullable=False),
    Column("span_id", String(50), nullable=False),
    Column("parent_span_id", String(50)),
    Column("name", Text, info=FILLED),
    Column("type", String(500), info=FILLED),
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
    Index("index_spans_experiment_id_duration", "experiment_id", "duration_ns"),
    Index("index_spans_experiment_id_status_type", "experiment_id", "status", "type"),
    Index("index_spans_experiment_id_type_status", "experiment_id", "type", "status"),
    info=UPSERTED,
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
    info=UPSERTED,
)

entity_associations = Table(
    "entity_associations",
    METADATA,
    Column("association_id", String(36), nullable=False),
    Column("source_type", String(36), nullable=False),
    Column("source_id", String(36), nullable=False),
    Column("destination_type", String(36), nullable=False),
    Column("destination_id", String(36), nullable=False),
    Column("created_time", BigInteger, info=FILLED),
    PrimaryKeyConstraint(
        "source_type",
        "source_id",
        "destination_type",
        "destination_id",
        name="entity_associations_pk",
    ),
    Index("index_entity_associations_association_id", "association_id"),
    Index(
        "index_entity_associations_reverse_lookup",
        "destination_type",
        "destination_id",
        "source_type",
        "source_id",
    ),
    info=UPSERTED,
)


def costs() -> list[Column[float]]:
    """Columns of a trace or a span, at revisions that have them."""
    return [Column(name, Float(53)) for name in COSTS]


def trace_analytics() -> list[Column[str] | Column[int] | Column[float]]:
    """What revision 75868b020152 adds to a trace, in place of one tag and of metadata."""
    return [
        Column("trace_name", String(4096)),
        Column("session_id", String(250)),
        *(Column(name, BigInteger) for name in TOKENS),
        *costs(),
    ]


def span_analytics() -> list[Column[str] | Column[float]]:
    """What revision 75868b020152 adds to a span."""
    return [
        *costs(),
        Column("model_name", String(500)),
        Column("model_provider", String(500)),
    ]


def assessment_analytics() -> list[Column[int] | Column[float] | Column[bool]]:
    """What revision 75868b020152 adds to an assessment."""
    return [
        Column("experiment_id", Integer),
        Column("trace_timestamp_ms", BigInteger),
        Column("aggregate_value", Float(53)),
        Column("is_numeric_value", Boolean, server_default=false(), nullable=False),
    ]
