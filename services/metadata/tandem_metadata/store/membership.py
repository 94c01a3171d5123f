"""`column IN (values)` for any number of values."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, any_, bindparam, column, func, select
from sqlalchemy.dialects import postgresql


def among(
    conn: Connection, tested: ColumnElement[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Whether the column holds one of the values.

    They travel as one parameter: a list of parameters has a limit on both databases, and each
    length would be a statement of its own.
    """
    if conn.dialect.name == "postgresql":
        return tested == any_(bindparam(None, list(values), postgresql.ARRAY(tested.type)))
    each = func.json_each(json.dumps(values)).table_valued(column("value", tested.type))
    return tested.in_(select(each.c.value))
