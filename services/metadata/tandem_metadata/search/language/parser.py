"""The parser of filters and order_by clauses.

    filter      = [comparison {AND comparison}]
    comparison  = identifier operator (number | string)
                | identifier [NOT] IN list
                | identifier IS [NOT] NULL
    list        = "(" string {"," string} [","] ")"
    sort key    = identifier [ASC | DESC]

Identifiers are `key` or `entity.key`. `fields` checks entities, keys and operators afterwards,
because they differ between resources. Every error is InvalidParameter and names the token and its
position.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tandem_metadata.search.language.lexer import (
    CLAUSE_LENGTH,
    FILTER_LENGTH,
    Kind,
    Token,
    is_text,
    refusal,
    tokens,
)
from tandem_shared.errors import InvalidParameter

MAX_COMPARISONS: Final = 500
"""SQLite limits the depth of an expression."""

MAX_LISTED: Final = 10_000
"""Values in all lists of a filter together: databases limit a statement's parameters."""

MAX_WORDS: Final = 2 * MAX_LISTED + 8 * MAX_COMPARISONS
"""Tokens in a filter: enough for the two limits above."""

_SYMBOLS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_WORDS: Final = frozenset({"LIKE", "ILIKE"})
_EXPECTED: Final = "one of =, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL"
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U((?:0010|000[0-9a-f])[0-9a-f]{4})|(.))", re.DOTALL
)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_INT64: Final = 2**63

Value = str | int | float | tuple[str, ...] | None
"""A quoted string, a number, a list of quoted strings, or None with IS NULL and IS NOT NULL."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """`entity.key`, or `key` with the entity None. Quotes are removed."""

    entity: str | None
    key: str
    token: Token


@dataclass(frozen=True, slots=True)
class Comparison:
    """An identifier, an operator in capitals with single spaces, and a value."""

    identifier: Identifier
    operator: str
    value: Value
    operator_token: Token
    value_token: Token


@dataclass(frozen=True, slots=True)
class SortKey:
    """An identifier and its direction."""

    identifier: Identifier
    ascending: bool


def parse_filter(text: str | None) -> list[Comparison]:
    """The comparisons of a filter, joined by AND; an empty list for an empty filter.

    Superfluous ANDs are accepted before, after and between comparisons, as in MLflow.
    """
    reader = _Reader(tokens(text or "", "filter", FILTER_LENGTH), "filter")
    comparisons: list[Comparison] = []
    reader.skip_ands()
    while not reader.at_end():
        if len(comparisons) == MAX_COMPARISONS:
            raise reader.refuse(f"at most {MAX_COMPARISONS} comparisons are accepted")
        comparisons.append(_comparison(reader))
        if not reader.at_end() and not reader.skip_ands():
            raise reader.refuse("expected AND or the end of the filter")
    return comparisons


def parse_sort_key(clause: str) -> SortKey:
    """The sort key of one order_by clause, ascending unless it says DESC."""
    reader = _Reader(tokens(clause, "order_by clause", CLAUSE_LENGTH), "order_by clause")
    identifier = _whole(_identifier(reader))
    ascending = True
    if reader.current.is_word("ASC") or reader.current.is_word("DESC"):
        ascending = reader.take().is_word("ASC")
    if not reader.at_end():
        raise reader.refuse(
            "expected ASC, DESC or the end of the clause; give several clauses as a list"
        )
    return SortKey(identifier, ascending)


class _Reader:
    """A cursor over tokens. It reads one token ahead, so errors name the first bad token."""

    def __init__(self, found: Iterator[Token], source: str) -> None:
        self._ahead = found
        self._taken = 0
        self.current = next(found)
        self.source = source
        self.listed = 0

    def at(self, kind: Kind) -> bool:
        return self.current.kind is kind

    def at_end(self) -> bool:
        return self.at(Kind.END)

    def take(self) -> Token:
        token = self.current
        if token.kind is not Kind.END:
            self._taken += 1
            if self._taken > MAX_WORDS:
                raise self.refuse(f"at most {MAX_WORDS} words, values and signs are accepted")
            self.current = next(self._ahead)
        return token

    def take_word(self, word: str) -> bool:
        """Consume the word if it is the current token; returns whether it was."""
        found = self.current.is_word(word)
        if found:
            self.take()
        return found

    def skip_ands(self) -> bool:
        skipped = False
        while self.take_word("AND"):
            skipped = True
        return skipped

    def refuse(self, reason: str) -> InvalidParameter:
        return refusal(self.source, self.current, reason)


def _comparison(reader: _Reader) -> Comparison:
    identifier = _identifier(reader)
    operator_token = reader.current
    operator = _operator(reader)
    value_token = reader.current
    if operator in ("IS NULL", "IS NOT NULL"):
        value: Value = None
    elif operator in ("IN", "NOT IN"):
        value = _list(reader)
    else:
        value = _scalar(reader, operator)
    return Comparison(identifier, operator, value, operator_token, value_token)


def _identifier(reader: _Reader) -> Identifier:
    token = reader.current
    is_quoted_name = token.kind is Kind.STRING and token.text.startswith('"')
    if token.kind is not Kind.NAME and not is_quoted_name:
        raise reader.refuse("expected a key such as metrics.loss or attributes.status")
    reader.take()
    if len(token.parts) == 1:
        return Identifier(None, token.parts[0], token)
    return Identifier(token.parts[0], ".".join(token.parts[1:]), token)


def _whole(identifier: Identifier) -> Identifier:
    """Split a quoted `metrics.loss`, which MLflow accepts in order_by as entity and key."""
    entity, dot, key = identifier.key.partition(".")
    if identifier.entity is None and dot:
        return Identifier(entity, key, identifier.token)
    return identifier


def _operator(reader: _Reader) -> str:
    token = reader.current
    if token.kind is Kind.OPERATOR and token.text in _SYMBOLS:
        return reader.take().text
    if token.kind is Kind.NAME and token.text.upper() in _WORDS | {"IN"}:
        return reader.take().text.upper()
    if reader.take_word("NOT"):
        if reader.take_word("IN"):
            return "NOT IN"
        raise reader.refuse("expected IN after NOT")
    if reader.take_word("IS"):
        negation = "NOT " if reader.take_word("NOT") else ""
        if reader.take_word("NULL"):
            return f"IS {negation}NULL"
        raise reader.refuse("expected NULL or NOT NULL after IS")
    raise reader.refuse(f"expected a comparison operator, {_EXPECTED}")


def _scalar(reader: _Reader, operator: str) -> str | int | float:
    token = reader.current
    if token.kind is Kind.STRING:
        return reader.take().parts[0]
    if token.kind is Kind.NUMBER:
        return _number(reader.take().text)
    raise reader.refuse(f"expected a number or a quoted string after {operator}")


def _number(text: str) -> int | float:
    """An int, or a float beyond 64 bits, which every database can compare."""
    if text.lstrip("-").isdigit() and len(text) <= len(str(-_INT64)):
        number = int(text)
        if -_INT64 <= number < _INT64:
            return number
    return float(text)


def _list(reader: _Reader) -> tuple[str, ...]:
    if not reader.at(Kind.OPEN):
        raise reader.refuse("expected a list of quoted strings in parentheses")
    reader.take()
    values: list[str] = []
    while not reader.at(Kind.CLOSE) or not values:
        if not reader.at(Kind.STRING):
            raise reader.refuse("expected a quoted string in the list")
        reader.listed += 1
        if reader.listed > MAX_LISTED:
            raise reader.refuse(f"at most {MAX_LISTED} values are accepted in lists")
        value = _ESCAPE.sub(_unescaped, reader.current.parts[0])
        if not is_text(value):
            raise reader.refuse("this value cannot be stored text: a NUL or half a character")
        reader.take()
        values.append(value)
        if reader.at(Kind.COMMA):
            reader.take()
        elif not reader.at(Kind.CLOSE):
            raise reader.refuse("expected a comma or the end of the list")
    reader.take()
    return tuple(values)


def _unescaped(match: re.Match[str]) -> str:
    """The character of an escape in a Python string literal; unknown escapes stay."""
    *codes, character = match.groups()
    if character is not None:
        return _ESCAPED.get(character, match[0])
    return chr(int(next(code for code in codes if code), 16))
