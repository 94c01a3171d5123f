"""Deletes traces with all that belongs to them, some at a time."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete, select

from tandem_metadata.database import trace_schema
from tandem_metadata.database.tables.traces import entity_associations, trace_info
from tandem_metadata.store.dialect.in_list import any_of

MANY: Final = 100
"""Traces of one transaction. Their spans, which go with them, may be a thousand times as many."""

_TRACE: Final = "trace"


def older(conn: Connection, number: int, last_ms: int, most: int) -> list[str]:
    """Ids of traces of an experiment that are as old, the oldest first."""
    chosen = (
        select(trace_info.c.request_id)
        .where(trace_info.c.experiment_id == number, trace_info.c.timestamp_ms <= last_ms)
        .order_by(trace_info.c.timestamp_ms, trace_info.c.request_id)
        .limit(most)
    )
    return [*conn.scalars(chosen)]


def delete_traces(conn: Connection, number: int, trace_ids: Sequence[str]) -> int:
    """Delete those of the traces that lie in an experiment; returns how many.

    Spans, tags, metadata, metrics and assessments go with them, and so do links.
    """
    chosen = (
        select(trace_info.c.request_id)
        .where(
            any_of(conn, trace_info.c.request_id, trace_ids), trace_info.c.experiment_id == number
        )
        .order_by(trace_info.c.request_id)
        .with_for_update()
    )
    found = [*conn.scalars(chosen)]
    if not found:
        return 0
    for kind, linked in (
        (entity_associations.c.source_type, entity_associations.c.source_id),
        (entity_associations.c.destination_type, entity_associations.c.destination_id),
    ):
        conn.execute(delete(entity_associations).where(kind == _TRACE, any_of(conn, linked, found)))
    if (items := trace_schema.of(conn, fresh=True).review_items) is not None:
        conn.execute(
            delete(items).where(items.c.item_type == _TRACE, any_of(conn, items.c.item_id, found))
        )
    gone = conn.execute(delete(trace_info).where(any_of(conn, trace_info.c.request_id, found)))
    return gone.rowcount
