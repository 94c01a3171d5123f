"""`column IN (texts)` in statements that are written out, for any number of texts."""

import json
from collections.abc import Collection
from typing import Any

from tandem_metadata.database.direct import Statements
from tandem_metadata.store.dialect import pg_arrays
from tandem_metadata.store.dialect.pg_arrays import is_postgresql


def any_of_texts(conn: Statements) -> str:
    """What follows a column that must hold one of the texts of `given_texts`.

    PostgreSQL's planner is not told their number, so that one plan is reused for all.
    """
    if is_postgresql(conn):
        return "= ANY(ARRAY(SELECT unnest(%(texts)s::text[])))"
    return "IN (SELECT value FROM json_each(:texts))"


def given_texts(conn: Statements, texts: Collection[str]) -> dict[str, Any]:
    """The parameter of `any_of_texts`."""
    chosen = [*texts]
    return {"texts": pg_arrays.texts(chosen) if is_postgresql(conn) else json.dumps(chosen)}
