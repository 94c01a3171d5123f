"""Whether a text is JSON, asked of PostgreSQL, whose casts fail the statement where it is none.

Releases before 16 have no function that tells. There a text is made simpler, by steps that leave
JSON what it is, and what is none too: strings become empty, other values zeros, and then the
innermost arrays and objects zeros, level by level. JSON is what ends as one value.
"""

from functools import reduce
from typing import Final

from sqlalchemy import ColumnElement, func, literal_column, or_

from tandem_metadata.search.sql.compile import Clause

DEEPEST: Final = 16
"""Levels of arrays and objects. Before PostgreSQL 16 a text with more counts as no JSON."""

_SPACE: Final = r"[ \t\n\r]*"
_ANY: Final = "[0-9a-fA-F]"
# Of \u0000 and of a half of a surrogate pair PostgreSQL makes no text.
_CODE: Final = (
    rf"[1-9a-cA-CeEfF]{_ANY}{{3}}|[dD][0-7]{_ANY}{{2}}"
    rf"|0[1-9a-fA-F]{_ANY}{{2}}|00[1-9a-fA-F]{_ANY}|000[1-9a-fA-F]"
    rf"|[dD][89abAB]{_ANY}{{2}}\\u[dD][c-fC-F]{_ANY}{{2}}"
)
_STRING: Final = rf'"(?:[^"\\\u0001-\u001f]|\\["\\/bfnrt]|\\u(?:{_CODE}))*"'
# PostgreSQL's numbers have an end, some 16,000 digits after the point, which these do not reach.
_OTHER: Final = (
    r"true|false|null|-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,99})?(?:[eE][+-]?0*[0-9]{1,4})?"
)
_VALUE: Final = '(?:0|"")'
_ELEMENT: Final = f"{_SPACE}{_VALUE}{_SPACE}"
_MEMBER: Final = f'{_SPACE}""{_SPACE}:{_ELEMENT}'
_INNERMOST: Final = (
    rf"\[(?:{_SPACE}|{_ELEMENT}(?:,{_ELEMENT})*)\]"
    rf"|\{{(?:{_SPACE}|{_MEMBER}(?:,{_MEMBER})*)\}}"
)
_WHOLE: Final = rf"\A{_ELEMENT}\Z"


def is_json(value: ColumnElement[str], kind: str) -> Clause:
    """Whether PostgreSQL, from 16 on, takes a text as "json" or as "jsonb"."""
    found: Clause = func.pg_input_is_valid(value, literal_column(f"'{kind}'"))
    return found


def may_be_read(value: ColumnElement[str]) -> Clause:
    """Whether PostgreSQL, from 16 on, makes text of all strings in a text that is to be JSON.

    A json column takes any escapes, and fails when they are read.
    """
    escaped = func.strpos(value, "\\u") > 0
    return or_(~escaped & is_json(value, "json"), escaped & is_json(value, "jsonb"))


def is_reducible(value: ColumnElement[str]) -> Clause:
    """Whether a text is JSON that can be read, for any PostgreSQL; slower than `is_json`."""
    replacements = [(_STRING, '""'), (_OTHER, "0"), *[(_INNERMOST, "0")] * DEEPEST]
    reduced = reduce(lambda text, each: func.regexp_replace(text, *each, "g"), replacements, value)
    found: Clause = reduced.bool_op("~")(_WHOLE)
    return found
