"""CHECK constraints of the form `column IN (values)`, in the ways that databases print them."""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from sqlalchemy import Boolean, CheckConstraint, Table

_CAST: Final = re.compile(r"::(?:character varying|[a-z_]+)(?:\(\d+\))?(?:\[\])?")
_BRACKETS: Final = re.compile(r"""[()\[\]"`]""")
_VALUE: Final = r"(?:'(?:[^']|'')*'|\d+)"
_CHOICE: Final = re.compile(
    rf"\s*(?P<column>\w+)\s+(?:IN|=\s*ANY\s+ARRAY)\s+(?P<values>{_VALUE}(?:\s*,\s*{_VALUE})*)\s*",
    re.IGNORECASE,
)
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")


class Choice(NamedTuple):
    """A column, and the values that it may have, as they are spelled."""

    column: str
    values: frozenset[str]


def parse(condition: str) -> Choice | None:
    """The choice; None for a condition of another form."""
    found = _CHOICE.fullmatch(_BRACKETS.sub(" ", _CAST.sub("", condition)))
    return found and Choice(found["column"], frozenset(re.findall(_VALUE, found["values"])))


def columns(condition: str, names: Collection[str]) -> set[str]:
    """Those of the names that the condition may be about."""
    return {*re.findall(r"\w+", _TEXT.sub("", _CAST.sub("", condition)))} & {*names}


def allowed_values(table: Table) -> dict[str, frozenset[str]]:
    """The values that its CHECK constraints allow, and those of booleans, by column."""
    allowed = {
        column.name: frozenset({"0", "1"}) for column in table.c if isinstance(column.type, Boolean)
    }
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and (choice := parse(str(constraint.sqltext))):
            allowed[choice.column] = choice.values
    return allowed
