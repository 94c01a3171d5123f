"""What older revisions have of traces, in the columns of the newest one.

Before revision 75868b020152 a trace's name is a tag, and its session, tokens and costs are
metadata. MLflow's migration moves them as this does.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection

from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.messages.traces import COST, NAME, SESSION, TOKEN_USAGE
from tandem_metadata.spans import keys
from tandem_metadata.store.dialect.pg_arrays import is_postgresql
from tandem_metadata.store.traces.assessment_rows import aggregate

DIMENSIONS: Final = "spans.dimension_attributes"

_NAME: Final = 4096
_SESSION: Final = 250
_DIMENSION: Final = 500
"""Characters of the columns."""

# The gateway stores no cost of a trace, so that it is that of the spans.
_GATEWAY_COST: Final = """
UPDATE trace_info SET total_cost = (SELECT sum(total_cost) FROM spans WHERE trace_id = request_id)
WHERE total_cost IS NULL AND request_id IN (SELECT request_id FROM trace_request_metadata
  WHERE key = 'mlflow.gateway.endpointId')"""


def span_columns(source: Connection, table: str, columns: Mapping[str, Any]) -> dict[str, str]:
    """Columns of the newest revision that an older one's column of JSON has, and how to read them.

    Empty for tables that have no such column.
    """
    if f"{table}.dimension_attributes" != DIMENSIONS or "dimension_attributes" not in columns:
        return {}
    read = (
        "dimension_attributes ->> '{}'"
        if is_postgresql(source)
        else "json_extract(dimension_attributes, '$.\"{}\"')"
    )
    return {
        name: f"substr({read.format(key)}, 1, {_DIMENSION})"
        for name, key in (("model_name", keys.MODEL), ("model_provider", keys.PROVIDER))
    }


def promote(target: sqlite3.Connection) -> None:
    """Fill the columns of traces, spans and assessments that came from an older revision."""
    target.create_function("tandem_aggregate", 1, _aggregate, deterministic=True)
    target.create_function("tandem_is_numeric", 1, _is_numeric, deterministic=True)
    tokens = [f"{name} = {_token(name)}" for name in TOKENS]
    costs = [f"{name} = {_of_metadata(COST, name, ('integer', 'real'))}" for name in COSTS]
    target.execute(
        f"""
UPDATE trace_info SET
  trace_name = substr((SELECT value FROM trace_tags AS told
    WHERE told.request_id = trace_info.request_id AND told.key = '{NAME}'), 1, {_NAME}),
  session_id = substr(({_metadata("value", SESSION)}), 1, {_SESSION}),
  {", ".join(tokens)}, {", ".join(costs)}"""
    )
    of_span = [
        f"{name} = (SELECT value FROM span_metrics AS told WHERE told.trace_id = spans.trace_id "
        f"AND told.span_id = spans.span_id AND told.key = '{name}')"
        for name in COSTS
    ]
    target.execute(f"UPDATE spans SET {', '.join(of_span)}")
    target.execute(_GATEWAY_COST)
    target.execute(
        """
UPDATE assessments SET
  (experiment_id, trace_timestamp_ms) = (SELECT experiment_id, timestamp_ms FROM trace_info
    WHERE trace_info.request_id = assessments.trace_id),
  aggregate_value = tandem_aggregate(value),
  is_numeric_value = tandem_is_numeric(value)"""
    )
    target.execute("DELETE FROM trace_tags WHERE key = ?", (NAME,))
    for table, gone in (
        ("trace_request_metadata", (SESSION, TOKEN_USAGE, COST)),
        ("trace_metrics", TOKENS),
        ("span_metrics", COSTS),
    ):
        for key in gone:
            target.execute(f"DELETE FROM {table} WHERE key = ?", (key,))


def _token(name: str) -> str:
    counted = (
        "SELECT CAST(value AS INTEGER) FROM trace_metrics AS told "
        f"WHERE told.request_id = trace_info.request_id AND told.key = '{name}'"
    )
    return f"coalesce(({counted}), {_of_metadata(TOKEN_USAGE, name, ('integer',))})"


def _metadata(read: str, key: str) -> str:
    return (
        f"SELECT {read} FROM trace_request_metadata AS told "
        f"WHERE told.request_id = trace_info.request_id AND told.key = '{key}'"
    )


def _of_metadata(key: str, name: str, types: tuple[str, ...]) -> str:
    """A number in metadata that is an object of JSON; NULL where it is none."""
    kinds = ", ".join(f"'{each}'" for each in types)
    read = (
        f"CASE WHEN json_valid(value) AND json_type(value, '$.{name}') IN ({kinds}) "
        f"THEN json_extract(value, '$.{name}') END"
    )
    return f"({_metadata(read, key)})"


def _aggregate(text: str) -> float | None:
    return aggregate(_parsed(text))[0]


def _is_numeric(text: str) -> bool:
    return aggregate(_parsed(text))[1]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
