"""Links traces to runs and to versions of prompts."""

from collections.abc import Iterable
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection

from tandem_metadata.database.tables.traces import entity_associations
from tandem_metadata.store.dialect import bulk
from tandem_shared.clock import now_ms

RUN: Final = "run"
PROMPT_VERSION: Final = "prompt_version"

LENGTH: Final = 36
"""The most characters of a linked id."""

_TRACE: Final = "trace"
_COLUMNS: Final = tuple(entity_associations.c.keys())


def link(conn: Connection, kind: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Link traces to what is of a kind, by pairs of ids; links that are there stay.

    Neither need exist. No id may have more than `LENGTH` characters.
    """
    now = now_ms()
    rows = [
        (uuid4().hex, _TRACE, trace_id, kind, other, now) for trace_id, other in sorted({*pairs})
    ]
    bulk.insert_rows(conn, entity_associations, _COLUMNS, rows, bulk.UNLESS_THERE)
