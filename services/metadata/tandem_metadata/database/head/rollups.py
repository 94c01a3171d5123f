"""Sums of traces by day."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Float,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from tandem_metadata.database.head.base import HEAD


def _id() -> Column[int]:
    return Column("id", BigInteger().with_variant(Integer(), "sqlite"), Identity(), nullable=False)


sql_assessment_daily_rollups = Table(
    "sql_assessment_daily_rollups",
    HEAD,
    _id(),
    Column("experiment_id", Integer, nullable=False),
    Column("rollup_day", Date, nullable=False),
    Column("metric_name", String(250), nullable=False),
    Column("grouping_set", String(50), nullable=False),
    Column("sample_count", BigInteger, nullable=False),
    Column("sum_value", Float(53)),
    Column("min_value", Float(53)),
    Column("max_value", Float(53)),
    PrimaryKeyConstraint("id", name="sql_assessment_daily_rollups_pk"),
    Index(
        "idx_assessment_rollups_lookup",
        "experiment_id",
        "rollup_day",
        "metric_name",
        "grouping_set",
    ),
)

sql_span_cost_daily_rollups = Table(
    "sql_span_cost_daily_rollups",
    HEAD,
    _id(),
    Column("experiment_id", Integer, nullable=False),
    Column("rollup_day", Date, nullable=False),
    Column("metric_name", String(250), nullable=False),
    Column("grouping_set", String(50), nullable=False),
    Column("model_name", String(500)),
    Column("model_provider", String(500)),
    Column("sample_count", BigInteger, nullable=False),
    Column("sum_value", Float(53)),
    Column("min_value", Float(53)),
    Column("max_value", Float(53)),
    PrimaryKeyConstraint("id", name="sql_span_cost_daily_rollups_pk"),
    Index(
        "idx_span_cost_rollups_lookup",
        "experiment_id",
        "rollup_day",
        "metric_name",
        "grouping_set",
        "model_name",
        "model_provider",
    ),
)

sql_trace_metric_daily_rollups = Table(
    "sql_trace_metric_daily_rollups",
    HEAD,
    _id(),
    Column("experiment_id", Integer, nullable=False),
    Column("rollup_day", Date, nullable=False),
    Column("metric_name", String(250), nullable=False),
    Column("grouping_set", String(50), nullable=False),
    Column("trace_status", String(50)),
    Column("sample_count", BigInteger, nullable=False),
    Column("sum_value", Float(53)),
    Column("min_value", Float(53)),
    Column("max_value", Float(53)),
    Column("p50_value", Float(53)),
    Column("p90_value", Float(53)),
    Column("p99_value", Float(53)),
    PrimaryKeyConstraint("id", name="sql_trace_metric_daily_rollups_pk"),
    Index(
        "idx_trace_rollups_lookup",
        "experiment_id",
        "rollup_day",
        "metric_name",
        "grouping_set",
        "trace_status",
    ),
)

sql_trace_rollup_rebuild_queue = Table(
    "sql_trace_rollup_rebuild_queue",
    HEAD,
    Column("experiment_id", Integer, nullable=False),
    Column("rollup_day", Date, nullable=False),
    Column("rollup_family", String(50), nullable=False),
    PrimaryKeyConstraint(
        "experiment_id", "rollup_day", "rollup_family", name="sql_trace_rollup_rebuild_queue_pk"
    ),
)
