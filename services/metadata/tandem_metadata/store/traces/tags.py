"""Sets and deletes tags of traces."""

from sqlalchemy import Connection, delete, select, update

from tandem_metadata.database import trace_schema
from tandem_metadata.messages.traces import NAME
from tandem_metadata.rules import limits
from tandem_metadata.spans.values import cut
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.traces import load, told
from tandem_shared.errors import NotFound, missing_value


def put(conn: Connection, trace_id: str, key: str, value: str) -> None:
    """Set a tag; that of the name renames the trace. A long value is cut.

    Raises NotFound for an unknown trace, and InvalidParameter for a key that cannot be stored, for
    a tag that the server sets, and for a name that is too long.
    """
    _require(key)
    limits.check_key("key", key)
    told.check_immutable(key)
    schema = trace_schema.of(conn, fresh=True)
    table = schema.trace_info
    if key == NAME:
        told.check_name(value)
        if schema.has_columns:
            renamed = conn.execute(
                update(table).where(table.c.request_id == trace_id).values(trace_name=value)
            )
            if not renamed.rowcount:
                raise load.not_found(trace_id)
            return
    lock(conn, trace_id)
    bulk.upsert(
        conn,
        schema.trace_tags,
        ("key", "value", "request_id"),
        [(key, cut(value, limits.TAG_VALUE), trace_id)],
        key=("key", "request_id"),
    )


def remove(conn: Connection, trace_id: str, key: str) -> None:
    """Delete a tag, or the name.

    Raises NotFound for an unknown trace or tag, and InvalidParameter for no key and for a tag that
    the server sets.
    """
    _require(key)
    told.check_immutable(key, deletes=True)
    schema = trace_schema.of(conn, fresh=True)
    lock(conn, trace_id)
    if key == NAME and schema.has_columns:
        table = schema.trace_info
        named = (table.c.request_id == trace_id) & table.c.trace_name.is_not(None)
        gone = conn.execute(update(table).where(named).values(trace_name=None))
    else:
        tags = schema.trace_tags
        gone = conn.execute(delete(tags).where(tags.c.request_id == trace_id, tags.c.key == key))
    if not gone.rowcount:
        raise NotFound(f"No tag with name: {key[:100]} in trace with id {trace_id}.")


def _require(key: str) -> None:
    if not key:
        raise missing_value("key")


def lock(conn: Connection, trace_id: str) -> None:
    """Keep others from changing a trace until the transaction ends; raises NotFound."""
    table = trace_schema.of(conn).trace_info
    chosen = select(table.c.request_id).where(table.c.request_id == trace_id)
    if conn.execute(chosen.with_for_update(key_share=True)).first() is None:
        raise load.not_found(trace_id)
