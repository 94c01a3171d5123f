"""`column IN (values)` for any number of values."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, any_, bindparam, column, func, select
from sqlalchemy.dialects import postgresql


def among(
    conn: Connection, tested: ColumnElement[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Whether the column holds one of the values.

    They travel as one parameter: a list of parameters has a limit on both databases, and each
    length would be a statement of its own.
    """
    if conn.dialect.name == "postgresql":
        # A cast to VARCHAR(n)[] would cut longer values, and then find what they begin with.
        kind = String() if isinstance(tested.type, String) else tested.type
        return tested == any_(bindparam(None, list(values), postgresql.ARRAY(kind)))
    each = func.json_each(json.dumps(values)).table_valued(column("value", tested.type))
    return tested.in_(select(each.c.value))
