"""The order of traces."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, select

from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.search.language.fields import Entity, Field
from tandem_metadata.search.language.lexer import shown
from tandem_metadata.search.language.trace_fields import NAME, RUN, SESSION, TRACES
from tandem_metadata.search.sql.order import Ordering, Term, not_null, nulls_last, parsed
from tandem_metadata.search.sql.trace_compile import attribute
from tandem_shared.errors import InvalidParameter

_TIME = "timestamp_ms"
_NOT_NULL = frozenset({_TIME, "request_id", "experiment_id", "status", "end_time_ms"})


@dataclass(frozen=True, slots=True)
class TraceOrdering(Ordering):
    """The ordering of traces."""

    by_time: bool | None
    """Whether it is by time and then by id: True if the earliest come first, else False; or None
    for another order."""


def order_traces(clauses: Sequence[str], schema: TraceSchema) -> TraceOrdering:
    """The ordering of traces: as asked, then the latest first, then by id.

    Nulls come last in either direction. Raises InvalidParameter for a clause that names no field of
    traces or names one again.
    """
    terms: list[Term] = []
    wanted: dict[tuple[Entity, str], bool] = {}
    for order in parsed(clauses, TRACES):
        field = (order.field.entity, order.field.key)
        if field in wanted:
            raise InvalidParameter(
                f"`order_by` contains duplicate fields: it names {shown(order.field.key)} twice; "
                "remove one."
            )
        wanted[field] = order.ascending
        if (rows := _rows(schema, order.field)) is None:
            terms.append(_term(schema, order.field.key, order.ascending))
            continue
        terms.append(nulls_last(_value(schema, *rows), order.ascending))
    asked = list(wanted.items())
    for name, ascending in ((_TIME, False), ("request_id", True)):
        if (Entity.ATTRIBUTE, name) not in wanted:
            terms.append(_term(schema, name, ascending))
    by_time = None
    if not asked or [field for field, _ in asked] == [(Entity.ATTRIBUTE, _TIME)]:
        by_time = bool(asked) and asked[0][1]
    return TraceOrdering(terms, schema.trace_info, by_time)


def _rows(schema: TraceSchema, field: Field) -> tuple[Table, str] | None:
    """The table and the key of what is sorted by; None for a column of traces."""
    match field.entity, field.key:
        case Entity.TAG, key:
            return schema.trace_tags, key
        case Entity.METADATA, key if key != SESSION or not schema.has_columns:
            return schema.trace_request_metadata, key
        case Entity.ATTRIBUTE, "run_id":
            return schema.trace_request_metadata, RUN
        case Entity.ATTRIBUTE, "name" if not schema.has_columns:
            return schema.trace_tags, NAME
    return None


def _value(schema: TraceSchema, table: Table, key: str) -> ColumnElement[str]:
    """The value of a key, looked up trace by trace.

    A join would be a nested loop over all values where PostgreSQL has no statistics.
    """
    rows = table.alias()
    return (
        select(rows.c.value)
        .where(rows.c.key == key, rows.c.request_id == schema.trace_info.c.request_id)
        .correlate(schema.trace_info)
        .scalar_subquery()
    )


def _term(schema: TraceSchema, key: str, ascending: bool) -> Term:
    names = {"name": "trace_name", SESSION: "session_id"}
    column = attribute(schema, names.get(key, key))
    return not_null(column, ascending) if key in _NOT_NULL else nulls_last(column, ascending)
