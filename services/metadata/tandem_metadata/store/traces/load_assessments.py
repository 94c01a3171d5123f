"""Assessments read for many traces at once."""

from collections import defaultdict
from typing import Final

from sqlalchemy import Connection

from tandem_metadata.database.direct import Rows
from tandem_metadata.messages.assessments import Assessment
from tandem_metadata.store.dialect.texts import rows_of
from tandem_metadata.store.traces.assessment_rows import SHOWN, assessment

_COLUMNS: Final = ", ".join(SHOWN)


def statement(conn: Connection) -> str:
    """Finds all assessments of the traces of `given_texts`, as `by_trace` takes them."""
    return (
        f"SELECT {_COLUMNS} {rows_of(conn, 'assessments', 'trace_id')} "
        "ORDER BY created_timestamp, assessment_id"
    )


def by_trace(rows: Rows) -> dict[str, list[Assessment]]:
    """All assessments of each trace, the oldest first; those that are overridden are not valid."""
    found: dict[str, list[Assessment]] = defaultdict(list)
    for row in rows:
        found[row[1]].append(assessment(row))
    return found
