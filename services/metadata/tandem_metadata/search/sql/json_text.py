"""JSON in columns of text: what its values say, without an error where it is none."""

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Float,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

from tandem_metadata.search.sql.compile import Clause

_NUMBER: Final = (
    r"\A-?[0-9]{1,17}(\.[0-9]+)?([eE][+-]?([0-9]{1,2}|[12][0-8][0-9]))?\Z"  # no overflow
)
_BEGINS: Final = "attributes"


@dataclass(frozen=True, slots=True)
class Json:
    """Makes expressions over columns that hold JSON.

    What is no JSON has no attributes, and is decoded to itself. That needs PostgreSQL 16: before,
    one such value fails the statement.
    """

    dialect: str
    """"sqlite" or "postgresql"."""
    can_check: bool = True
    """Whether PostgreSQL can tell what is JSON."""

    def attribute(self, document: ColumnElement[str], key: str) -> ColumnElement[str]:
        """What an attribute of a span's stored document says; null if it has none.

        The key has no quote, backslash or control character.
        """
        quoted = json.dumps(key, ensure_ascii=False)
        # Only a text that has the key is read as JSON, which takes ten times as long.
        if self.dialect == "sqlite":
            has = and_(func.instr(document, quoted) > 0, func.json_valid(document) == 1)
            found: ColumnElement[str] = func.json_extract(
                document, f"$.{_BEGINS}.{quoted}", type_=String()
            )
        else:
            has = and_(func.strpos(document, quoted) > 0, self._is(document, "json"))
            inner = cast(document, JSON).op("->", return_type=JSON())(_BEGINS)
            found = inner.op("->>", return_type=String())(key)
        return self.decoded(case((has, found)))

    def member(self, value: ColumnElement[str], name: str) -> ColumnElement[str]:
        """What a member of an object in JSON says; null where it is none. The name is a word."""
        if self.dialect == "sqlite":
            found = func.json_extract(value, f"$.{name}", type_=String())
            return case((func.json_valid(value) == 1, found))
        inside = cast(value, JSONB).op("->>", return_type=String())(name)
        return case((self._is(value, "jsonb"), inside))

    def decoded(self, value: ColumnElement[str]) -> ColumnElement[str]:
        """Of a text in JSON what it says, of other values how they are written."""
        if self.dialect == "sqlite":
            is_text = and_(func.substr(value, 1, 1) == '"', func.json_valid(value) == 1)
            return case((is_text, func.json_extract(value, "$", type_=String())), else_=value)
        inside = cast(func.concat("[", value, "]"), JSONB).op("->>", return_type=String())
        return case(
            (value.not_like('"%'), value),
            (value.not_like("%\\%", escape=""), func.right(func.left(value, -1), -1)),
            (self._is(value, "jsonb"), inside(literal_column("0", Integer))),
            else_=value,
        )

    def number(self, value: ColumnElement[str]) -> ColumnElement[float]:
        """The number that a value is; null for others."""
        if self.dialect == "sqlite":
            kind = case((func.json_valid(value) == 1, func.json_type(value)))
            return case((kind.in_(("integer", "real")), cast(value, Float(53))))
        return case((value.bool_op("~")(_NUMBER), cast(value, Float(53))))

    def _is(self, value: ColumnElement[str], kind: str) -> Clause:
        if not self.can_check:
            return literal_column("true")
        found: Clause = func.pg_input_is_valid(value, literal_column(f"'{kind}'"))
        return found
