"""Conditions to SQLAlchemy Core, with the same meaning on SQLite and PostgreSQL.

A condition on what a row may lack, such as a param, holds where there is a value that satisfies it.
So `tags.x != 'a'` does not match a run without a tag x, and `NOT tags.x = 'a'` neither.

Groups stay the tree that they are: multiplying them out could make thousands of conditions of a
few. Outside of OR, values are looked up by EXISTS, which both databases can join. Below an OR they
cannot: SQLite evaluates one EXISTS after the other until one holds, and that is fast. PostgreSQL
expects each to be so expensive that it avoids them at any price (a search for a metric and either
of two values took six times as long as with joins, 100,000 runs), so there the values are joined.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Exists,
    Float,
    FromClause,
    Integer,
    Table,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    not_,
    or_,
    true,
)

from tandem_metadata.rules import regular_expressions
from tandem_metadata.search.language.fields import (
    PATTERNS,
    PRESENCE,
    Condition,
    Criterion,
    Entity,
    Operand,
)
from tandem_metadata.search.language.groups import Group
from tandem_shared.errors import InvalidParameter

MAX_LOOKUPS: Final = 60
"""Conditions that need an EXISTS. PostgreSQL takes seconds to plan more, MLflow on SQLite fails."""

_IN_EXPRESSIONS: Final = {"%": ".*", "_": "."}
_PART: Final = re.compile("%([^%_]+)%")
_NOT_ASCII_OR_WILD: Final = re.compile(r"[%_]|[^\x00-\x7f]")
_TELLING: Final = 3
"""Characters that few texts have by chance."""
_GLOB: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})

Clause = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table that has at most one row of a key for each row that is searched, by its columns."""

    table: Table
    key: str
    value: str
    identity: Mapping[str, ColumnElement[Any]]
    """The columns by which a row belongs to one that is searched, and the latter's columns."""

    def mine(self, rows: FromClause) -> Clause:
        """That rows of the table, or of an alias of it, belong to the row that is searched."""
        return and_(*(rows.c[name] == column for name, column in self.identity.items()))

    def of(self, rows: FromClause, key: str) -> Clause:
        """That rows have the key and belong to the row that is searched."""
        return and_(self.mine(rows), rows.c[self.key] == key)

    def holds(self, rows: FromClause, condition: Condition, dialect: str) -> Clause:
        """That the condition holds for the value of rows that are joined by `mine`."""
        clause = holds_of_mine(self.mine(rows), rows.c[self.value], condition, dialect)
        if "is_nan" not in rows.c:
            return clause
        # A NaN is stored as 0 with is_nan. It differs from every number, and no other comparison
        # holds.
        if condition.negated or condition.operator in ("!=", "NOT IN"):
            return or_(clause, rows.c.is_nan == true())
        return and_(clause, rows.c.is_nan == false())


class Joins:
    """Rows of keys, joined to those that are searched; at most one row each."""

    def __init__(self, needed: Iterable[str] = ()) -> None:
        """Of the keys in `needed`, what can be found has a row; of others it may have none."""
        self._needed = frozenset(needed)
        self._joined: list[tuple[FromClause, Clause, bool]] = []
        self._rows: dict[str, FromClause] = {}

    def row(self, rows: Rows, key: str) -> FromClause:
        """The row of a key, as an alias of its table; the same one for each call."""
        if key not in self._rows:
            row = self._rows[key] = rows.table.alias()
            self._join(row, rows.of(row, key), isouter=key not in self._needed)
        return self._rows[key]

    def matched(self, rows: Rows, key: str, clause: Callable[[FromClause], Clause]) -> FromClause:
        """The row of a key that satisfies the clause, if there is one."""
        row = rows.table.alias()
        self._join(row, and_(rows.of(row, key), clause(row)), isouter=True)
        return row

    def to(self, source: FromClause) -> FromClause:
        """The source with all of them joined to it, which leaves it one row each."""
        for row, on, isouter in self._joined:
            source = source.join(row, on, isouter=isouter)
        return source

    def _join(self, row: FromClause, on: Clause, *, isouter: bool) -> None:
        self._joined.append((row, on, isouter))


@dataclass(frozen=True, slots=True)
class Matching:
    """What rows must satisfy, and what is joined to them to tell it."""

    clauses: Sequence[Clause]
    joins: Joins


Make = Callable[[Sequence[Condition], Joins | None], Clause]
"""Makes the clause of conditions on one field, any of which must hold; by joins, else by EXISTS."""


def check_lookups(logged: Iterable[Condition]) -> None:
    """Raise InvalidParameter for more conditions on what is logged than a statement takes."""
    lookups = sum(2 if each.negated and each.field.kind.several else 1 for each in logged)
    if lookups > MAX_LOOKUPS:
        raise InvalidParameter(
            f"Invalid filter: it has {lookups} comparisons of metrics, params, tags, datasets and "
            f"run names, at most {MAX_LOOKUPS} are accepted."
        )


def matching(criteria: Sequence[Criterion], make: Make, dialect: str) -> Matching:
    """What rows must satisfy to match all criteria; `dialect` is "sqlite" or "postgresql"."""
    joins = Joins()
    below_or = joins if dialect == "postgresql" else None
    clauses = [
        _clause(each, make, below_or) if isinstance(each, Group) else make([each], None)
        for each in criteria
    ]
    return Matching(clauses, joins)


def joined(criteria: Sequence[Criterion], make: Make, joins: Joins) -> Matching:
    """As `matching`, with all rows of keys joined, so that `make` always has the joins."""
    return Matching([_clause(each, make, joins) for each in criteria], joins)


def _clause(criterion: Criterion, make: Make, joins: Joins | None) -> Clause:
    if isinstance(criterion, Condition):
        return make([criterion], joins)
    if not criterion.any:
        return and_(*(_clause(each, make, joins) for each in criterion.parts))
    alone: list[Criterion] = []
    together: dict[object, list[Condition]] = {}
    for each in criterion.parts:
        if isinstance(each, Condition) and _shares_a_row(each):
            together.setdefault(each.field, []).append(each)
        else:
            alone.append(each)
    return or_(
        *(_clause(each, make, joins) for each in alone),
        *(make(conditions, joins) for conditions in together.values()),
    )


def _shares_a_row(condition: Condition) -> bool:
    """Whether one lookup tells whether any of several conditions on its field holds."""
    kind, entity = condition.field.kind, condition.field.entity
    return (
        entity is not Entity.ATTRIBUTE and not kind.several and condition.operator not in PRESENCE
    )


def of_key(
    rows: Rows, key: str, conditions: Sequence[Condition], joins: Joins | None, dialect: str
) -> Clause:
    """That any of the conditions holds for the value of a key: several compare it with something.

    With `joins` the rows for which one does are joined, else looked up by EXISTS.
    """
    operator = conditions[0].operator

    def any_holds(row: FromClause) -> Clause:
        return or_(*(rows.holds(row, each, dialect) for each in conditions))

    if joins is None:
        found = exists().where(rows.of(rows.table, key))
        if operator in PRESENCE:
            return ~found if operator == "IS NULL" else found
        return found.where(any_holds(rows.table))
    if operator in PRESENCE:
        row = joins.matched(rows, key, lambda _: true())
        return compare(row.c[rows.key], operator, None, dialect)
    row = joins.matched(rows, key, any_holds)
    if any(each.operator in PATTERNS for each in conditions):
        return row.c[rows.key].is_not(None)
    # It holds for all rows that are joined. Said again, PostgreSQL knows that there are few of
    # them, which it does not of IS NOT NULL, and chooses joins of all rows over looking each up.
    return any_holds(row)


def of_row(rows: Rows, key: str, condition: Condition, joins: Joins | None, dialect: str) -> Clause:
    """That the condition holds for the value of a key, whose row is joined once for all."""
    assert joins is not None
    row = joins.row(rows, key)
    if condition.operator in PRESENCE:
        return compare(row.c[rows.key], condition.operator, None, dialect)
    return rows.holds(row, condition, dialect)


def any_of_several(
    row: Exists,
    mine: Sequence[Clause],
    column: ColumnElement[Any],
    condition: Condition,
    dialect: str,
) -> Clause:
    """That the condition holds for the value of any row, or if it is negated, of some and of none.

    The rows are those of the EXISTS that belong to this one by `mine`.
    """
    some = row.where(*mine)
    if condition.operator in PRESENCE:
        return ~some if condition.operator == "IS NULL" else some
    plain = replace(condition, negated=False)
    holding = row.where(*mine, holds_of_mine(and_(*mine), column, plain, dialect))
    return and_(some, ~holding) if condition.negated else holding


def compare(column: ColumnElement[Any], operator: str, value: Operand, dialect: str) -> Clause:
    """The comparison of a column with a value; `dialect` is "sqlite" or "postgresql"."""
    match operator:
        case "=":
            return column == value
        case "!=":
            return column != value
        case "<":
            return column < value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case ">=":
            return column >= value
        case "IN":
            return column.in_(_members(column, value))
        case "NOT IN":
            return column.not_in(_members(column, value))
        case "LIKE":
            return _like(column, str(value), dialect)
        case "ILIKE":
            return _ilike(column, str(value), dialect)
        case "RLIKE":
            return _rlike(column, str(value), dialect)
        case "IS NULL":
            return column.is_(None)
        case "IS NOT NULL":
            return column.is_not(None)
    raise AssertionError(f"an operator that no field has: {operator}")


def holds(column: ColumnElement[Any], condition: Condition, dialect: str) -> Clause:
    """That the condition holds for the column's value, or does not if it is negated."""
    clause = compare(column, condition.operator, condition.value, dialect)
    return not_(clause) if condition.negated else clause


def holds_of_mine(
    mine: Clause, column: ColumnElement[Any], condition: Condition, dialect: str
) -> Clause:
    """As `holds`, for a column of another table, whose rows belong to this one's by `mine`.

    Matching a pattern may take milliseconds on a long value. Without statistics PostgreSQL expects
    few matches, and matches all rows of the table again for each row of the other. A CASE has it
    join the rows first.
    """
    clause = holds(column, condition, dialect)
    if condition.operator in PATTERNS and dialect == "postgresql":
        return case((mine, clause))
    return clause


def _members(column: ColumnElement[Any], value: Operand) -> Any:
    assert isinstance(value, tuple)
    if isinstance(column.type, Integer) and any(isinstance(each, float) for each in value):
        # SQLAlchemy gives all of them the first one's type, and PostgreSQL would round the others.
        return bindparam(None, [float(each) for each in value], Float(53), expanding=True)
    return value


def _like(column: ColumnElement[Any], pattern: str, dialect: str) -> Clause:
    """LIKE, case-sensitive. A backslash is no escape character, as on SQLite and in MLflow."""
    if dialect == "sqlite":
        # SQLite's LIKE ignores case unless a pragma of the connection is set; GLOB never does.
        return column.bool_op("GLOB")(pattern.translate(_GLOB))
    return column.like(pattern, escape="")


def _ilike(column: ColumnElement[Any], pattern: str, dialect: str) -> Clause:
    """LIKE, case-insensitive."""
    if not pattern.isascii():
        return _ilike_of_letters(column, pattern, dialect)
    # For letters of ASCII alone both are several times as fast as what folds all letters.
    if dialect == "sqlite":
        return func.lower(column).like(pattern.lower())
    folded = func.lower(column.collate("C"))
    if part := _PART.fullmatch(pattern):  # in half the time that LIKE takes
        found: Clause = func.strpos(folded, part[1].lower()) > 0
        return found
    return folded.like(pattern.lower(), escape="")


def _ilike_of_letters(column: ColumnElement[Any], pattern: str, dialect: str) -> Clause:
    """LIKE, with each letter in all its cases: lower() folds ASCII alone on SQLite.

    On PostgreSQL it folds what the database's locale knows, which may be as little. Both take long
    for each text, so that only those are looked at that have the longest part of ASCII, or else one
    of the letters. PostgreSQL would not take the conditions of an AND in their order.
    """
    if dialect == "sqlite":
        classes = (_in_cases(each, each.translate(_GLOB)) for each in pattern)
        find, found = func.instr, column.bool_op("GLOB")("".join(classes))
    else:
        classes = (
            _in_cases(each, _IN_EXPRESSIONS.get(each) or re.escape(each)) for each in pattern
        )
        find, found = func.strpos, column.bool_op("~")(f"(?cs)\\A{''.join(classes)}\\Z")
    part = max(_NOT_ASCII_OR_WILD.split(pattern), key=len)
    if len(part) >= _TELLING:
        may_be = _ilike(column, f"%{part}%", dialect)
    else:
        letter = max(pattern, key=lambda each: not each.isascii())
        may_be = or_(*(find(column, each) > 0 for each in _cases(letter)))
    return case((may_be, found), (column.is_not(None), false()))


def _in_cases(character: str, otherwise: str) -> str:
    """A class of the character in all its cases; `otherwise` if it has but one."""
    letters = _cases(character)
    return f"[{''.join(letters)}]" if len(letters) > 1 else otherwise


def _cases(character: str) -> list[str]:
    """The character in all its cases that are one character."""
    cases = {character, character.lower(), character.upper(), character.title()}
    return sorted(each for each in cases if len(each) == 1)


def _rlike(column: ColumnElement[Any], pattern: str, dialect: str) -> Clause:
    """That a regular expression of `regular_expressions` matches part of the text."""
    if dialect == "sqlite":
        return func.tandem_rlike(pattern, column, type_=Boolean) == true()
    return column.bool_op("~")(regular_expressions.parse(pattern).postgresql)
