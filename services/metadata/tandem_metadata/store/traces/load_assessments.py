"""Assessments read for many traces at once."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.messages.assessments import Assessment
from tandem_metadata.store.dialect.texts import given_texts, rows_of
from tandem_metadata.store.traces.assessment_rows import SHOWN, assessment

_COLUMNS: Final = ", ".join(SHOWN)


def of_traces(conn: Connection, trace_ids: Collection[str]) -> dict[str, list[Assessment]]:
    """All assessments of each trace, the oldest first; those that are overridden are not valid."""
    statement = (
        f"SELECT {_COLUMNS} {rows_of(conn, 'assessments', 'trace_id')} "
        "ORDER BY created_timestamp, assessment_id"
    )
    found: dict[str, list[Assessment]] = defaultdict(list)
    for row in fetch_tuples(conn, statement, given_texts(conn, trace_ids)):
        found[row[1]].append(assessment(row))
    return found
