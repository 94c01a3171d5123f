"""The searchable fields of a resource: entities, their keys, and the operators of each type."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tandem_metadata.rules import regular_expressions
from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.search.language.groups import Group, joined, leaves, mapped
from tandem_metadata.search.language.lexer import Token, refusal, shown
from tandem_metadata.search.language.parser import (
    Comparison,
    Identifier,
    Part,
    Scalar,
    SortKey,
)
from tandem_shared.errors import InvalidParameter

EQUALITY: Final = frozenset({"=", "!="})
PATTERNS: Final = frozenset({"LIKE", "ILIKE"})
EXPRESSIONS: Final = frozenset({"RLIKE"})
SIZES: Final = frozenset({"<", "<=", ">", ">="})
MEMBERSHIP: Final = frozenset({"IN", "NOT IN"})
PRESENCE: Final = frozenset({"IS NULL", "IS NOT NULL"})
ON_TEXT: Final = EQUALITY | PATTERNS | MEMBERSHIP | PRESENCE
ON_NUMBERS: Final = EQUALITY | SIZES | MEMBERSHIP | PRESENCE

_OPPOSITES: Final = {
    one: other
    for pair in (("=", "!="), ("IN", "NOT IN"), ("IS NULL", "IS NOT NULL"))
    for one, other in (pair, pair[::-1])
}
"""Operators of which one holds where the other does not, if there is a value."""

MAX_PATTERN: Final = 1_000
"""Characters in a LIKE pattern. Matching may try the pattern at each of a value's 100,000."""

Operand = Scalar | tuple[Scalar, ...] | None
"""A value, or some, converted to the field's type; ids become integers."""

_ID = re.compile("-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]{0,300})?")


class Entity(Enum):
    """The part of a resource that a field belongs to."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "parameter"
    TAG = "tag"
    DATASET = "dataset"
    METADATA = "metadata"
    SPAN = "span"
    SPAN_ATTRIBUTE = "span attribute"
    FEEDBACK = "feedback"
    EXPECTATION = "expectation"
    ISSUE = "issue"
    ASSESSMENT = "assessment"


class Type(Enum):
    """The kinds of value that a field is compared with, as named in errors."""

    TEXT = "a quoted string"
    LITERAL = "a quoted string or a number"
    """Text; an unquoted number is compared as its digits."""
    NUMBER = "a number"
    WHOLE = "a whole number"
    ID = "a quoted whole number"
    VERSION = "a whole number, quoted or not"
    TIME = "a number, quoted or not"
    ASSESSED = "a quoted string, and by <, <=, > and >= with a number"
    """Text, which sizes compare with numbers where it is one."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field's values, and its operators."""

    type: Type
    operators: frozenset[str]
    several: bool = False
    """Whether a field may have several values: a comparison then holds if it does for any."""


@dataclass(frozen=True, slots=True)
class Field:
    """A key of an entity; attributes and datasets have their canonical names."""

    entity: Entity
    key: str
    kind: FieldType


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked comparison: the field exists, and operator and value fit its type.

    Only IS NULL holds without a value. Negated, it holds where there is a value and the comparison
    does not hold for it, nor for another: NOT of IEEE's comparisons, where NaN is a value. As in
    SQL, neither a comparison nor its negation holds of what is missing.
    """

    field: Field
    operator: str
    value: Operand
    negated: bool = False


Criterion = Condition | Group[Condition]


@dataclass(frozen=True, slots=True)
class Order:
    """A field to sort by."""

    field: Field
    ascending: bool


@dataclass(frozen=True, slots=True)
class Resource:
    """The searchable fields of a resource."""

    entities: Mapping[str, Entity]
    """Every accepted spelling of an entity."""
    open_keys: Mapping[Entity, FieldType]
    """The value types of entities that have any key."""
    keys: Mapping[Entity, Mapping[str, FieldType]]
    """The fixed keys of the other entities."""
    aliases: Mapping[str, str]
    """Alternative spellings of attributes in filters."""
    order_entities: frozenset[Entity]
    """Entities that results can be sorted by."""
    order_aliases: frozenset[str]
    """The aliases that are accepted for sorting too."""
    within: Mapping[Entity, Mapping[str, Entity]] = field(default_factory=dict)
    """The entities of an entity's keys that begin with some text, whose own keys follow that."""
    same: Mapping[tuple[Entity, str], tuple[Entity, str]] = field(default_factory=dict)
    """The field that is meant by another's name."""
    unsorted: frozenset[tuple[Entity, str]] = frozenset()
    """Fields of `order_entities` that results cannot be sorted by."""
    kind_tags: frozenset[str] = frozenset()
    """Keys of tags that say which of two kinds is searched for, so they stand outside of OR."""

    def criteria(self, parts: Sequence[Part]) -> tuple[Criterion, ...]:
        """The checked parts of a filter.

        Raises InvalidParameter for an unknown field or a wrong type.
        """
        if self.kind_tags:
            parts = self._kind_first(parts)
        return mapped(parts, self.condition)

    def condition(self, comparison: Comparison) -> Condition:
        """The checked comparison; raises InvalidParameter for an unknown field or a wrong type."""
        field = self._field(comparison.identifier, "filter", self.aliases)
        if comparison.operator not in field.kind.operators:
            name = comparison.identifier.token.text
            patterns = field.kind.operators & (PATTERNS | EXPRESSIONS)
            negatable = {f"NOT {each}" for each in patterns}
            accepted = ", ".join(sorted(field.kind.operators | negatable))
            raise refusal(
                "filter",
                comparison.operator_token,
                f"{shown(name)} does not support {comparison.operator}, only {accepted}",
                f"Invalid comparator {comparison.operator!r}",
            )
        value = _typed(comparison, field)
        operator, negated = comparison.operator, comparison.negated
        is_simple = operator in PRESENCE or not field.kind.several
        if negated and is_simple and operator in _OPPOSITES:
            operator, negated = _OPPOSITES[operator], False
        return Condition(field, operator, value, negated)

    def order(self, key: SortKey) -> Order:
        """The checked sort key; raises InvalidParameter for a field that cannot be sorted by."""
        aliases = {alias: self.aliases[alias] for alias in self.order_aliases}
        field = self._field(key.identifier, "order_by clause", aliases)
        if not self._is_sorted(field.entity, field.key):
            what = shown(key.identifier.token.text)
            if field.entity not in self.order_entities:
                what = f"a {field.entity.value}"
            by = ", ".join(self._names(Entity.ATTRIBUTE, aliases, sorted_by=True))
            others = sorted(each.value for each in self.order_entities - {Entity.ATTRIBUTE})
            also = f", and any {' or '.join(others)}" if others else ""
            reason = f"results cannot be sorted by {what}, only by {by}{also}"
            raise refusal("order_by clause", key.identifier.token, reason)
        return Order(field, key.ascending)

    def _is_sorted(self, entity: Entity, key: str) -> bool:
        return entity in self.order_entities and (entity, key) not in self.unsorted

    def _names(
        self, entity: Entity, aliases: Mapping[str, str], *, sorted_by: bool = False
    ) -> list[str]:
        """The fixed keys of an entity, with other names for them, but not other spellings.

        With `sorted_by` those that results can be sorted by, if the entity has any.
        """
        meant = {key: (entity, key) for key in self.keys[entity]}
        meant |= {key: other for (of, key), other in self.same.items() if of is entity}
        if entity is Entity.ATTRIBUTE:
            for alias, key in aliases.items():
                meant.setdefault(alias.lower().replace(" ", "_"), (entity, key))
        if sorted_by and entity in self.order_entities:
            return sorted(key for key, field in meant.items() if self._is_sorted(*field))
        return sorted([*meant, *(f"{prefix}<key>" for prefix in self.within.get(entity, ()))])

    def _kind_first(self, parts: Sequence[Part]) -> list[Part]:
        """The parts with what says the kind taken out of the sides of an OR.

        It holds of all that is searched, so it may be joined to one side as to all: clients put it
        before or after a filter, without parentheses.
        """
        kinds: list[Part] = []
        others: list[Part] = []
        for part in parts:
            sides = [part]
            if isinstance(part, Group) and part.any:
                sides = [self._without_kind(side, kinds) for side in part.parts]
            others.append(joined(sides, any=True))
        found = [*kinds, *others]
        for comparison in filter(self._is_kind, leaves(found)):
            self._check_kind(comparison, among_others=comparison not in found)
        return found

    def _without_kind(self, side: Part, kinds: list[Part]) -> Part:
        if not isinstance(side, Group):
            return side
        found = [each for each in side.parts if self._is_kind(each)]
        if len(found) == len(side.parts):
            return side
        kinds += found
        return joined([each for each in side.parts if each not in found], any=side.any)

    def _is_kind(self, part: Part) -> bool:
        return (
            isinstance(part, Comparison)
            and self.entities.get(part.identifier.entity or "") is Entity.TAG
            and part.identifier.key in self.kind_tags
        )

    def _check_kind(self, comparison: Comparison, *, among_others: bool) -> None:
        name = shown(comparison.identifier.token.text)
        if among_others:
            reason = f"{name} says what is searched for, so it cannot be one side of an OR"
            raise refusal("filter", comparison.identifier.token, reason)
        if comparison.operator in MEMBERSHIP | PRESENCE:
            reason = f"{name} says what is searched for, and takes =, !=, LIKE and ILIKE only"
            raise refusal("filter", comparison.operator_token, reason)

    def _field(self, identifier: Identifier, source: str, aliases: Mapping[str, str]) -> Field:
        entity, key = self._entity(identifier, source), identifier.key
        for prefix, inner in self.within.get(entity, {}).items():
            if key.startswith(prefix):
                entity, key = inner, key.removeprefix(prefix)
                break
        if entity is Entity.ATTRIBUTE:
            key = aliases.get(key, key)
        entity, key = self.same.get((entity, key), (entity, key))
        if entity in self.open_keys:
            return Field(entity, key, self.open_keys[entity])
        keys = self.keys[entity]
        if key not in keys:
            names = self._names(entity, aliases, sorted_by=source != "filter")
            reason = f"there is no {entity.value} {shown(key)}, only {', '.join(names)}"
            fault = f"Invalid {entity.value} key {key[:100]!r} specified"
            raise refusal(source, identifier.token, reason, fault)
        return Field(entity, key, keys[key])

    def _entity(self, identifier: Identifier, source: str) -> Entity:
        if identifier.entity is None:
            return Entity.ATTRIBUTE
        if identifier.entity not in self.entities:
            accepted = ", ".join(sorted(self.entities))
            reason = f"there is no entity {shown(identifier.entity)}, only {accepted}"
            fault = f"Invalid entity type {identifier.entity[:100]!r}"
            raise refusal(source, identifier.token, reason, fault)
        return self.entities[identifier.entity]


def _typed(comparison: Comparison, field: Field) -> Operand:
    """The value converted to the field's type, or all of a list."""
    value = comparison.value
    if value is None:
        return None
    if isinstance(value, tuple):
        pairs = zip(value, comparison.value_tokens, strict=True)
        return tuple(_converted(each, token, comparison, field) for each, token in pairs)
    return _converted(value, comparison.value_tokens[0], comparison, field)


def _converted(value: Scalar, token: Token, comparison: Comparison, field: Field) -> Scalar:
    wanted = field.kind.type
    if wanted is Type.ID:
        return _id(value, token)
    if wanted is Type.VERSION:
        if isinstance(value, str) and is_id(value):
            return int(value)
        wanted = Type.WHOLE
    is_listed = comparison.operator in MEMBERSHIP
    if wanted is Type.LITERAL and is_listed:
        wanted = Type.TEXT
    if wanted is Type.LITERAL and isinstance(value, int | float):
        value = token.text
    if wanted is Type.ASSESSED:
        wanted = Type.NUMBER if comparison.operator in SIZES else Type.TEXT
    if wanted is Type.TIME:
        value, wanted = _time(value), Type.NUMBER
    if wanted in (Type.TEXT, Type.LITERAL):
        if isinstance(value, int | float):
            raise _mistyped(comparison, token, wanted)
        if comparison.operator in PATTERNS and len(value) > MAX_PATTERN:
            raise refusal("filter", token, f"a pattern has at most {MAX_PATTERN} characters")
        if comparison.operator in EXPRESSIONS:
            try:
                regular_expressions.parse(value)
            except ValueError as error:
                raise refusal("filter", token, f"as a regular expression, {error}") from None
        return value
    if not isinstance(value, int | float) or (wanted is Type.WHOLE and isinstance(value, float)):
        raise _mistyped(comparison, token, wanted)
    return float(value) if field.entity is Entity.METRIC else value


def _id(value: Scalar, token: Token) -> int:
    """A quoted id as an integer, because the column holds integers."""
    if not isinstance(value, str) or not is_id(value):
        raise refusal("filter", token, f"expected {Type.ID.value}, such as '1'")
    return int(value)


def _time(value: Scalar) -> Scalar:
    """The number that a text is, if it is one."""
    if isinstance(value, str):
        if is_id(value):
            return int(value)
        if _DECIMAL.fullmatch(value):
            return float(value)
    return value


def is_id(text: str) -> bool:
    """Whether the text is a whole number that fits into 64 bits."""
    return _ID.fullmatch(text) is not None and abs(int(text)) <= INT64_MAX


def _mistyped(comparison: Comparison, token: Token, wanted: Type) -> InvalidParameter:
    name = shown(comparison.identifier.token.text)
    is_text = wanted in (Type.TEXT, Type.LITERAL)
    fault = "Expected a quoted string value" if is_text else "Expected numeric value type"
    reason = f"{name} is compared with {wanted.value}"
    return refusal("filter", token, reason, fault)
