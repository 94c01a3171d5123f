"""Which tables and columns a database has for traces: its revision decides.

The three generations are those of `tables.traces` alone; with tables of metrics besides; and, from
75868b020152 on, with columns for a trace's name, session, tokens and costs.
"""

import functools
import time
import weakref
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct
from sqlalchemy import (
    JSON,
    Column,
    Dialect,
    Float,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
)

from tandem_metadata.database.direct import Statements
from tandem_metadata.database.tables import traces, tracking
from tandem_metadata.database.tables.base import FILLED, UPSERTED
from tandem_metadata.database.tables.traces import (
    assessment_analytics,
    span_analytics,
    trace_analytics,
)

_TRUSTED: Final = 1.0
"""Seconds for which the revision is not looked at again: MLflow may upgrade a database in use."""

REVISION: Final = "SELECT version_num FROM alembic_version"
_COLUMNS: Final = {
    "postgresql": """
SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE attrelid IN (to_regclass('trace_info'), to_regclass('spans'), to_regclass('assessments'),
  to_regclass('trace_metrics'), to_regclass('span_metrics'), to_regclass('review_queue_items'))
  AND attnum > 0 AND NOT attisdropped""",
    "sqlite": """
SELECT found.name, columns.name
FROM sqlite_master AS found, pragma_table_info(found.name) AS columns
WHERE found.type = 'table'
  AND found.name IN ('trace_info', 'spans', 'assessments', 'trace_metrics', 'span_metrics',
    'review_queue_items')""",
}


_REVIEW_ITEMS: Final = Table(
    "review_queue_items",
    MetaData(),
    Column("queue_id", String(36), nullable=False),
    Column("item_type", String(16), nullable=False),
    Column("item_id", String(50), nullable=False),
)
"""What of the table is needed to count and delete its rows; Tandem writes none."""


class TraceSchema(Struct, frozen=True, eq=False):
    """The tables of traces, with just the columns that the database has.

    Databases of one shape share one object, so that statements built from it can be kept.
    """

    trace_info: Table
    trace_tags: Table
    trace_request_metadata: Table
    spans: Table
    assessments: Table
    trace_metrics: Table | None
    """Tokens of a trace, by key."""
    span_metrics: Table | None
    """Costs of a span, by key."""
    review_items: Table | None
    """Traces that are in queues for people to review them."""
    has_columns: bool
    """Whether columns, and not a tag and metadata, hold a trace's name, session, tokens, costs."""
    has_dimensions: bool
    """Whether a span has `dimension_attributes`: its model and provider as JSON."""

    def tables(self) -> dict[str, Table]:
        """Those that are written, by name."""
        found = (getattr(self, name) for name in self.__struct_fields__ if name != "review_items")
        return {table.name: table for table in found if isinstance(table, Table)}


class _Known(NamedTuple):
    revision: str | None
    schema: TraceSchema
    until: float


_known: "Final[weakref.WeakKeyDictionary[Dialect, _Known]]" = weakref.WeakKeyDictionary()
"""By the dialect object, which all connections of an engine share.

Threads set it without a lock: all of them find the same.
"""


def of(conn: Statements, *, fresh: bool = False) -> TraceSchema:
    """What the database of `conn` has for traces.

    The answer may be a second old. What writes asks for a `fresh` one, which takes a statement.
    """
    known = _known.get(conn.dialect)
    if known and not fresh and time.monotonic() < known.until:
        return known.schema
    return at(conn, next((row[0] for row in conn.exec_driver_sql(REVISION)), None))


def at(conn: Statements, revision: str | None) -> TraceSchema:
    """What the database has for traces, for who has just asked it for its `REVISION`."""
    known = _known.get(conn.dialect)
    schema = known.schema if known and known.revision == revision else find(conn)
    _known[conn.dialect] = _Known(revision, schema, time.monotonic() + _TRUSTED)
    return schema


def find(conn: Statements) -> TraceSchema:
    """What the database has for traces, by a look at its tables.

    One column of a newer generation is taken for all of them, so that `fitness` names the others.
    """
    found: dict[str, set[str]] = {}
    for table, column in conn.exec_driver_sql(_COLUMNS[conn.dialect.name]):
        found.setdefault(table, set()).add(column)
    return _schema(
        trace_metrics="trace_metrics" in found,
        span_metrics="span_metrics" in found,
        review_items="review_queue_items" in found,
        has_columns=any(
            column.name in found.get(table, ())
            for table, columns in _analytics().items()
            for column in columns
        ),
        has_dimensions="dimension_attributes" in found.get("spans", ()),
    )


def _analytics() -> Mapping[str, list[Column[str] | Column[int] | Column[float] | Column[bool]]]:
    return {
        "trace_info": [*trace_analytics()],
        "spans": [*span_analytics()],
        "assessments": [*assessment_analytics()],
    }


@functools.cache
def _schema(
    *,
    trace_metrics: bool,
    span_metrics: bool,
    review_items: bool,
    has_columns: bool,
    has_dimensions: bool,
) -> TraceSchema:
    metadata = MetaData()
    tracking.experiments.to_metadata(metadata)  # which foreign keys refer to
    made = {
        table.name: table.to_metadata(metadata)
        for table in (
            traces.trace_info,
            traces.trace_tags,
            traces.trace_request_metadata,
            traces.spans,
            traces.assessments,
        )
    }
    if has_dimensions:
        made["spans"].append_column(Column("dimension_attributes", JSON))
    if has_columns:
        for name, columns in _analytics().items():
            for column in columns:
                made[name].append_column(column)
    return TraceSchema(
        **made,
        trace_metrics=(
            _metrics("trace_metrics", made["trace_info"], "request_id") if trace_metrics else None
        ),
        span_metrics=(
            _metrics("span_metrics", made["spans"], "trace_id", "span_id") if span_metrics else None
        ),
        review_items=_REVIEW_ITEMS if review_items else None,
        has_columns=has_columns,
        has_dimensions=has_dimensions,
    )


def _metrics(name: str, of_what: Table, *key: str) -> Table:
    return Table(
        name,
        of_what.metadata,
        *(Column(column, String(50), nullable=False) for column in key),
        Column("key", String(250), nullable=False),
        Column("value", Float(53), info=FILLED),
        PrimaryKeyConstraint(*key, "key"),
        ForeignKeyConstraint(key, [of_what.c[column] for column in key], ondelete="CASCADE"),
        info=UPSERTED,
    )
