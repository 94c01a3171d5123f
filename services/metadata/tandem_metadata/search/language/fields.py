"""The searchable fields of a resource: entities, their keys, and the operators of each type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.search.language.lexer import Token, refusal, shown
from tandem_metadata.search.language.parser import Comparison, Identifier, SortKey, Value
from tandem_shared.errors import InvalidParameter

EQUALITY: Final = frozenset({"=", "!="})
PATTERNS: Final = frozenset({"LIKE", "ILIKE"})
SIZES: Final = frozenset({"<", "<=", ">", ">="})
MEMBERSHIP: Final = frozenset({"IN", "NOT IN"})
PRESENCE: Final = frozenset({"IS NULL", "IS NOT NULL"})

MAX_PATTERN: Final = 1_000
"""Characters in a LIKE pattern. Matching may try the pattern at each of a value's 100,000."""

Operand = Value | tuple[int, ...]
"""A value converted to its field's type; ids become integers."""

_ID = re.compile("-?[0-9]{1,19}")


class Entity(Enum):
    """The part of a resource that a field belongs to."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "parameter"
    TAG = "tag"
    DATASET = "dataset"


class Type(Enum):
    """The kinds of value that a field is compared with, as named in errors."""

    TEXT = "a quoted string"
    LITERAL = "a quoted string or a number"
    """Text; an unquoted number is compared as its digits."""
    NUMBER = "a number"
    WHOLE = "a whole number"
    ID = "a quoted whole number"
    VERSION = "a whole number, quoted or not"


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field's values, and its operators."""

    type: Type
    operators: frozenset[str]


@dataclass(frozen=True, slots=True)
class Field:
    """A key of an entity; attributes and datasets have their canonical names."""

    entity: Entity
    key: str
    kind: FieldType


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked comparison: the field exists, and operator and value fit its type."""

    field: Field
    operator: str
    value: Operand


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

    def condition(self, comparison: Comparison) -> Condition:
        """The checked comparison; raises InvalidParameter for an unknown field or a wrong type."""
        field = self._field(comparison.identifier, "filter", self.aliases)
        if comparison.operator not in field.kind.operators:
            name = comparison.identifier.token.text
            accepted = ", ".join(sorted(field.kind.operators))
            raise refusal(
                "filter",
                comparison.operator_token,
                f"{shown(name)} does not support {comparison.operator}, only {accepted}",
            )
        return Condition(field, comparison.operator, _typed(comparison, field))

    def order(self, key: SortKey) -> Order:
        """The checked sort key; raises InvalidParameter for a field that cannot be sorted by."""
        aliases = {alias: self.aliases[alias] for alias in self.order_aliases}
        field = self._field(key.identifier, "order_by clause", aliases)
        if field.entity not in self.order_entities:
            reason = f"results cannot be sorted by a {field.entity.value}"
            raise refusal("order_by clause", key.identifier.token, reason)
        return Order(field, key.ascending)

    def _field(self, identifier: Identifier, source: str, aliases: Mapping[str, str]) -> Field:
        entity = self._entity(identifier, source)
        if entity in self.open_keys:
            return Field(entity, identifier.key, self.open_keys[entity])
        keys = self.keys[entity]
        key = identifier.key
        if entity is Entity.ATTRIBUTE:
            key = aliases.get(key, key)
        if key not in keys:
            reason = f"there is no {entity.value} {shown(key)}, only {', '.join(sorted(keys))}"
            raise refusal(source, identifier.token, reason)
        return Field(entity, key, keys[key])

    def _entity(self, identifier: Identifier, source: str) -> Entity:
        if identifier.entity is None:
            return Entity.ATTRIBUTE
        if identifier.entity not in self.entities:
            accepted = ", ".join(sorted(self.entities))
            reason = f"there is no entity {shown(identifier.entity)}, only {accepted}"
            raise refusal(source, identifier.token, reason)
        return self.entities[identifier.entity]


def _typed(comparison: Comparison, field: Field) -> Operand:
    """The value converted to the field's type."""
    value, token = comparison.value, comparison.value_token
    if comparison.operator in PRESENCE:
        return None
    wanted = field.kind.type
    if wanted is Type.ID:
        return _ids(value, token)
    if wanted is Type.VERSION:
        if isinstance(value, str) and is_id(value):
            return int(value)
        wanted = Type.WHOLE
    if wanted is Type.LITERAL and isinstance(value, int | float):
        value = token.text
    if wanted in (Type.TEXT, Type.LITERAL):
        if isinstance(value, int | float):
            raise _mistyped(comparison, wanted)
        if comparison.operator in PATTERNS and len(str(value)) > MAX_PATTERN:
            raise refusal("filter", token, f"a pattern has at most {MAX_PATTERN} characters")
        return value
    if not isinstance(value, int | float) or (wanted is Type.WHOLE and isinstance(value, float)):
        raise _mistyped(comparison, wanted)
    return float(value) if field.entity is Entity.METRIC else value


def _ids(value: Value, token: Token) -> int | tuple[int, ...]:
    """Quoted ids as integers, because the column holds integers."""
    texts = value if isinstance(value, tuple) else (value,)
    for text in texts:
        if not isinstance(text, str) or not is_id(text):
            raise refusal("filter", token, f"expected {Type.ID.value}, such as '1'")
    numbers = tuple(int(str(text)) for text in texts)
    return numbers if isinstance(value, tuple) else numbers[0]


def is_id(text: str) -> bool:
    """Whether the text is a whole number that fits into 64 bits."""
    return _ID.fullmatch(text) is not None and abs(int(text)) <= INT64_MAX


def _mistyped(comparison: Comparison, wanted: Type) -> InvalidParameter:
    name = shown(comparison.identifier.token.text)
    return refusal("filter", comparison.value_token, f"{name} is compared with {wanted.value}")
