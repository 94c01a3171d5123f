"""The parser of filters and order_by clauses.

    filter      = [any]
    any         = all {OR all}
    all         = operand {AND operand}
    operand     = NOT operand | "(" any ")" | comparison
    comparison  = identifier operator (number | string)
                | identifier [NOT] (LIKE | ILIKE | RLIKE) string
                | identifier [NOT] IN list
                | identifier IS [NOT] NULL
    list        = "(" value {"," value} [","] ")"
    value       = number | string
    sort key    = identifier [ASC | DESC]

Identifiers are `key` or `entity.key`. `fields` checks entities, keys and operators afterwards,
because they differ between resources. Every error is InvalidParameter and names the token and its
position.

A NOT is moved to the comparisons below it, where it turns AND to OR and back, so that a tree has
AND, OR and negated comparisons only, and is no larger than its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tandem_metadata.search.language.groups import Group, joined
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

MAX_DEPTH: Final = 32
"""Parentheses and NOTs around a comparison."""

MAX_WORDS: Final = 2 * MAX_LISTED + 8 * MAX_COMPARISONS
"""Tokens in a filter: enough for the two limits above."""

_SYMBOLS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_WORDS: Final = frozenset({"LIKE", "ILIKE", "RLIKE"})
_NEGATABLE: Final = _WORDS | {"IN"}
_EXPECTED: Final = (
    "one of =, !=, <, <=, >, >=, [NOT] LIKE, [NOT] ILIKE, [NOT] IN, IS NULL, IS NOT NULL"
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U((?:0010|000[0-9a-f])[0-9a-f]{4})|(.))", re.DOTALL
)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_INT64: Final = 2**63

Scalar = str | int | float
"""A quoted string or a number."""

Value = Scalar | tuple[Scalar, ...] | None
"""One value, a list with IN and NOT IN, or None with IS NULL and IS NOT NULL."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """`entity.key`, or `key` with the entity None. Quotes are removed."""

    entity: str | None
    key: str
    token: Token


@dataclass(frozen=True, slots=True)
class Comparison:
    """An identifier, an operator in capitals with single spaces, and a value.

    NOT LIKE is LIKE, negated; so are NOT ILIKE and NOT RLIKE. Of a list, `value_tokens` has a token
    a value.
    """

    identifier: Identifier
    operator: str
    value: Value
    operator_token: Token
    value_tokens: tuple[Token, ...]
    negated: bool = False
    """Whether it must be there and not hold; `fields` says what that is."""


Part = Comparison | Group[Comparison]


@dataclass(frozen=True, slots=True)
class SortKey:
    """An identifier and its direction."""

    identifier: Identifier
    ascending: bool


def parse_filter(text: str | None) -> list[Part]:
    """The parts of a filter, all of which must hold; an empty list for an empty filter.

    Superfluous ANDs are accepted before, after and between comparisons, as in MLflow.
    """
    reader = _Reader(tokens(text or "", "filter", FILTER_LENGTH), "filter")
    reader.skip_ands()
    if reader.at_end():
        return []
    whole = _any(reader, negated=False)
    if not reader.at_end():
        raise reader.refuse("expected AND, OR or the end of the filter")
    return list(whole.parts) if isinstance(whole, Group) and not whole.any else [whole]


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
        self.comparisons = 0
        self.listed = 0
        self.open: list[Token] = []
        """The parentheses and NOTs around the current token."""

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

    def refuse(self, reason: str, fault: str | None = None) -> InvalidParameter:
        return refusal(self.source, self.current, reason, fault)


def _any(reader: _Reader, *, negated: bool) -> Part:
    """What OR joins. The opposite of it is what AND joins, of opposites."""
    parts = [_all(reader, negated=negated)]
    while reader.take_word("OR"):
        parts.append(_all(reader, negated=negated))
    return joined(parts, any=not negated)


def _all(reader: _Reader, *, negated: bool) -> Part:
    parts = [_operand(reader, negated=negated)]
    while reader.skip_ands():
        if not reader.open and reader.at_end():
            break
        parts.append(_operand(reader, negated=negated))
    return joined(parts, any=negated)


def _operand(reader: _Reader, *, negated: bool) -> Part:
    if not reader.at(Kind.OPEN) and not reader.current.is_word("NOT"):
        return _comparison(reader, negated=negated)
    if len(reader.open) == MAX_DEPTH:
        raise reader.refuse(f"at most {MAX_DEPTH} parentheses and NOTs may be within each other")
    opening = reader.take()
    reader.open.append(opening)
    if opening.kind is Kind.OPEN:
        part = _any(reader, negated=negated)
        if not reader.at(Kind.CLOSE):
            place = opening.position + 1
            raise reader.refuse(f"expected AND, OR or the ) of the ( at character {place}")
        reader.take()
    else:
        part = _operand(reader, negated=not negated)
    reader.open.pop()
    return part


def _comparison(reader: _Reader, *, negated: bool) -> Comparison:
    if reader.comparisons == MAX_COMPARISONS:
        raise reader.refuse(f"at most {MAX_COMPARISONS} comparisons are accepted")
    reader.comparisons += 1
    identifier = _identifier(reader)
    operator_token = reader.current
    operator = _operator(reader)
    if operator.startswith("NOT ") and operator != "NOT IN":
        operator, negated = operator.removeprefix("NOT "), not negated
    found: tuple[Token, ...] = (reader.current,)
    if operator in ("IS NULL", "IS NOT NULL"):
        value: Value = None
    elif operator in ("IN", "NOT IN"):
        value, found = _list(reader)
    else:
        value = _scalar(reader, operator)
    return Comparison(identifier, operator, value, operator_token, found, negated)


def _identifier(reader: _Reader) -> Identifier:
    token = reader.current
    is_quoted_name = token.kind is Kind.STRING and token.text.startswith('"')
    is_joint = token.is_word("AND") or token.is_word("OR")
    if (token.kind is not Kind.NAME and not is_quoted_name) or is_joint:
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
    negation = "NOT " if reader.take_word("NOT") else ""
    if reader.current.kind is Kind.NAME and reader.current.text.upper() in _NEGATABLE:
        return negation + reader.take().text.upper()
    if negation:
        raise reader.refuse("expected IN, LIKE or ILIKE after NOT")
    if reader.take_word("IS"):
        negation = "NOT " if reader.take_word("NOT") else ""
        if reader.take_word("NULL"):
            return f"IS {negation}NULL"
        raise reader.refuse("expected NULL or NOT NULL after IS")
    fault = f"Invalid comparator {token.text[:100]!r}" if token.kind is Kind.OPERATOR else None
    raise reader.refuse(f"expected a comparison operator, {_EXPECTED}", fault)


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


def _list(reader: _Reader) -> tuple[tuple[Scalar, ...], tuple[Token, ...]]:
    """The values of a list, and their tokens."""
    if not reader.at(Kind.OPEN):
        raise reader.refuse("expected a list of values in parentheses, such as ('a', 'b')")
    reader.take()
    values: list[Scalar] = []
    found: list[Token] = []
    while not reader.at(Kind.CLOSE) or not values:
        reader.listed += 1
        if reader.listed > MAX_LISTED:
            raise reader.refuse(f"at most {MAX_LISTED} values are accepted in lists")
        found.append(reader.current)
        values.append(_listed(reader))
        if reader.at(Kind.COMMA):
            reader.take()
        elif not reader.at(Kind.CLOSE):
            raise reader.refuse("expected a comma or the end of the list")
    reader.take()
    return tuple(values), tuple(found)


def _listed(reader: _Reader) -> Scalar:
    if reader.at(Kind.NUMBER):
        return _number(reader.take().text)
    if not reader.at(Kind.STRING):
        raise reader.refuse("expected a quoted string or a number in the list")
    value = _ESCAPE.sub(_unescaped, reader.current.parts[0])
    if not is_text(value):
        raise reader.refuse("this value cannot be stored text: a NUL or half a character")
    reader.take()
    return value


def _unescaped(match: re.Match[str]) -> str:
    """The character of an escape in a Python string literal; unknown escapes stay."""
    *codes, character = match.groups()
    if character is not None:
        return _ESCAPED.get(character, match[0])
    return chr(int(next(code for code in codes if code), 16))
