"""JSON in columns of text: what its values say, without an error where it is none."""

import json
import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from tandem_metadata.search.language.fields import Condition
from tandem_metadata.search.sql import json_validity
from tandem_metadata.search.sql.compile import Clause
from tandem_metadata.search.sql.json_validity import is_json, is_reducible

_NUMBER: Final = (  # none of which overflows
    r"\A-?([0-9]{1,17}(\.[0-9]+)?([eE][+-]?([0-9]{1,2}|1[0-9]{2}|2[0-8][0-9]))?"
    r"|([0-9]{18,255}(\.[0-9]+)?)"  # as jsonb writes large ones
    r"|([0-9](\.[0-9]+)?[eE]\+?(29[0-9]|30[0-7]))"
    r"|(1(\.([0-6][0-9]*|7([0-8][0-9]*)?))?[eE]\+?308))\Z"
)
_BEGINS: Final = "attributes"
_NUMBERS: Final = {"NaN": "8.7654321012345e271", "Infinity": "8.7654321012345e272"}
"""Numbers that stand for what JSON has none of, while a document is read.

Python writes these words where an attribute of an event has such a number, as MLflow does.
"""
_CHECKS_JSON: Final = 16
"""The PostgreSQL that can tell what is JSON."""
_TRIED: Final = 20
"""Texts that are looked for before a document is read."""

_NOT_PLAIN: Final = re.compile(r"[^ !#-\[\]-~]+")
_NOT_PLAIN_OR_WILD: Final = re.compile(r"[^ !#$&-\[\]^`-~]+")


@dataclass(frozen=True, slots=True)
class Json:
    """Makes expressions over columns that hold JSON.

    What is no JSON has no attributes, and is decoded to itself.
    """

    dialect: str
    """"sqlite" or "postgresql"."""
    can_check: bool = True
    """Whether PostgreSQL has a function that tells what is JSON, as it has from 16 on."""

    @classmethod
    def of(cls, conn: Connection) -> "Json":
        """For the database of a connection."""
        version = getattr(conn.dialect, "server_version_info", None) or (0,)
        return cls(conn.dialect.name, can_check=version[0] >= _CHECKS_JSON)

    def may_have(self, document: Column[str], key: str) -> Clause:
        """What is true of a span's stored document wherever it has an attribute of this key.

        Looking for text in a document takes a tenth of the time of reading it as JSON.
        """
        quoted = json.dumps(key, ensure_ascii=False)
        find = func.instr if self.dialect == "sqlite" else func.strpos
        found: Clause = find(document, quoted) > 0
        return found

    def attribute(self, document: Column[str], key: str) -> ColumnElement[str]:
        """What an attribute of a span's stored document says; null if it has none.

        The key has no quote, backslash or control character.
        """
        return self._said(self.attribute_text(document, key), document.table)

    def attribute_text(self, document: Column[str], key: str) -> ColumnElement[str]:
        """As `attribute`, as it is written: a text in quotes, an object in braces."""
        find = func.instr if self.dialect == "sqlite" else func.strpos
        has_key = self.may_have(document, key)
        has_nan = or_(*(find(document, word) > 0 for word in _NUMBERS))
        text: ColumnElement[str] = document
        numbered, numbered_key = text, key
        for word, number in _NUMBERS.items():
            numbered = func.replace(numbered, word, number)
            numbered_key = numbered_key.replace(word, number)
        is_json, found = self._read(text, key)
        is_numbered, worded = self._read(numbered, numbered_key)
        for word, number in _NUMBERS.items():
            worded = func.replace(worded, number, word)
        # Only a text that has the key is read as JSON.
        return case((and_(has_key, is_json), found), (and_(has_key, has_nan, is_numbered), worded))

    def _read(self, text: ColumnElement[str], key: str) -> tuple[Clause, ColumnElement[str]]:
        """Whether a document may be read as JSON, and what it then has as an attribute."""
        if self.dialect == "sqlite":
            path = f"$.{_BEGINS}.{json.dumps(key, ensure_ascii=False)}"
            return func.json_valid(text) == 1, func.json_extract(text, path, type_=String())
        may_be_read = json_validity.may_be_read if self.can_check else is_reducible
        inner = cast(text, JSON).op("->", return_type=JSON())(_BEGINS)
        return may_be_read(text), inner.op("->>", return_type=String())(key)

    def may_say(self, document: Column[str], condition: Condition) -> Clause:
        """What is true of a document wherever the condition holds of an attribute of it."""
        operator, value = condition.operator, condition.value
        if condition.negated or operator not in ("=", "IN", "LIKE", "ILIKE"):
            return true()
        given = value if isinstance(value, tuple) else (str(value),)
        patterns = operator in ("LIKE", "ILIKE")
        parts = [_plain_part(str(each), patterns=patterns) for each in given[:_TRIED]]
        if len(given) > _TRIED or not all(parts):
            return true()
        text: ColumnElement[str] = document
        if operator == "ILIKE":
            text = func.lower(document if self.dialect == "sqlite" else document.collate("C"))
            parts = [each.lower() for each in parts]
        find = func.instr if self.dialect == "sqlite" else func.strpos
        return or_(*(find(text, each) > 0 for each in parts))

    def member(self, value: ColumnElement[str], name: str) -> ColumnElement[str]:
        """What a member of an object in JSON says; null where it is none. The name is a word."""
        if self.dialect == "sqlite":
            found = func.json_extract(value, f"$.{name}", type_=String())
            return case((func.json_valid(value) == 1, found))
        inside = cast(value, JSONB).op("->>", return_type=String())(name)
        return case((self._is_json(value), inside))

    def member_number(self, value: ColumnElement[str], name: str) -> ColumnElement[float]:
        """The number that a member of an object in JSON is; null for others, and without one.

        On SQLite, which computes an expression as often as it is written, in few words.
        """
        if self.dialect != "sqlite":
            return self.number(self.member(value, name))
        path = f"$.{name}"
        inside = func.json_extract(value, path, type_=String())
        kind = case((func.json_valid(value) == 1, func.json_type(value, path)))
        return case(
            (kind.in_(("integer", "real")), cast(inside, Float(53))),
            (kind == "text", self.number(inside)),
        )

    def decoded(self, value: Column[str]) -> ColumnElement[str]:
        """Of a text in JSON what it says, of other values how they are written."""
        return self._said(value, value.table)

    def _said(self, value: ColumnElement[str], of: FromClause) -> ColumnElement[str]:
        """As `decoded`, of something that is computed of a table's columns."""
        if self.dialect == "sqlite":
            is_text = and_(func.substr(value, 1, 1) == '"', func.json_valid(value) == 1)
            return case((is_text, func.json_extract(value, "$", type_=String())), else_=value)
        # A subquery computes the value once; OFFSET 0 keeps it from being put in each place.
        zero = literal_column("0", Integer)
        given = select(value.label("value")).correlate(of).offset(zero).lateral()
        text = given.c.value
        inside = cast(func.concat("[", text, "]"), JSONB).op("->>", return_type=String())
        found = case(
            (text.not_like('"%'), text),
            (text.not_like("%\\%", escape=""), func.right(func.left(text, -1), -1)),
            (self._is_json(text), inside(zero)),
            else_=text,
        )
        return select(found).select_from(given).scalar_subquery()

    def number(self, value: ColumnElement[str]) -> ColumnElement[float]:
        """The number that a value is; null for others."""
        if self.dialect == "sqlite":
            kind = case((func.json_valid(value) == 1, func.json_type(value)))
            return case((kind.in_(("integer", "real")), cast(value, Float(53))))
        return case((value.bool_op("~")(_NUMBER), cast(value, Float(53))))

    def _is_json(self, value: ColumnElement[str]) -> Clause:
        return is_json(value, "jsonb") if self.can_check else is_reducible(value)


def _plain_part(text: str, *, patterns: bool) -> str:
    """The longest part of a text or a pattern that JSON, within JSON, has as it is."""
    parts = _NOT_PLAIN_OR_WILD if patterns else _NOT_PLAIN
    return max(parts.split(text), key=len)
