"""`column IN (values)` for any number of values."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    all_,
    any_,
    bindparam,
    column,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql

from tandem_metadata.rules.permissions import Readable
from tandem_metadata.store.dialect import integer_columns

_CANONICAL: Final = re.compile("0|[1-9][0-9]{0,18}")
"""How ids are written that grants can name. Another spelling grants and denies nothing."""


def any_of(
    conn: Connection, tested: ColumnElement[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Whether the column holds one of the values.

    The values are one parameter, an array or JSON. Both databases limit the number of parameters,
    and a list of them would make each length a statement of its own.
    """
    if conn.dialect.name == "postgresql":
        # A cast to VARCHAR(n)[] would cut longer values, which would then match their beginning.
        kind = String() if isinstance(tested.type, String) else tested.type
        return tested == any_(bindparam(None, list(values), postgresql.ARRAY(kind)))
    each = func.json_each(json.dumps(values)).table_valued(column("value", tested.type))
    return tested.in_(select(each.c.value))


def none_of(
    conn: Connection, tested: ColumnElement[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Whether the column holds none of the values; as `any_of`."""
    if conn.dialect.name == "postgresql":
        kind = String() if isinstance(tested.type, String) else tested.type
        return tested != all_(bindparam(None, list(values), postgresql.ARRAY(kind)))
    each = func.json_each(json.dumps(values)).table_valued(column("value", tested.type))
    return tested.not_in(select(each.c.value))


def shown(
    conn: Connection, tested: ColumnElement[Any], readable: Readable | None
) -> Iterator[ColumnElement[bool]]:
    """What keeps rows out of a listing that its user may not read; nothing for None.

    The column holds names, or the numbers that ids stand for.
    """
    if readable is None:
        return
    ids = sorted(readable.ids)
    values: Sequence[str] | Sequence[int] = ids
    if not isinstance(tested.type, String):
        largest = integer_columns.largest(conn)
        numbers = [int(each) for each in ids if _CANONICAL.fullmatch(each)]
        values = [each for each in numbers if each <= largest]
    yield (none_of if readable.all_but else any_of)(conn, tested, values)


def any_version_of(
    conn: Connection,
    name: ColumnElement[str],
    version: ColumnElement[int],
    pairs: Sequence[tuple[str, int]],
) -> ColumnElement[bool]:
    """Whether the two columns hold the name and the number of one of the versions in `pairs`."""
    if conn.dialect.name == "postgresql":
        names, versions = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        given = func.unnest(
            bindparam(None, names, postgresql.ARRAY(String())),
            bindparam(None, versions, postgresql.ARRAY(Integer())),
        ).table_valued(column("name", String), column("version", Integer))
        chosen = select(given.render_derived())
    else:
        each = func.json_each(json.dumps(pairs)).table_valued(column("value", String)).c.value
        chosen = select(func.json_extract(each, "$[0]"), func.json_extract(each, "$[1]"))
    return tuple_(name, version).in_(chosen)
