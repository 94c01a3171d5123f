"""The searchable fields of registered models."""

from typing import Final

from tandem_metadata.search.language.fields import (
    EQUALITY,
    MEMBERSHIP,
    PATTERNS,
    Entity,
    FieldType,
    Resource,
    Type,
)

_ENTITIES: Final = {"attribute": Entity.ATTRIBUTE, "tag": Entity.TAG, "tags": Entity.TAG}
_TAGS: Final = {Entity.TAG: FieldType(Type.TEXT, EQUALITY | PATTERNS)}
_SORTED: Final = FieldType(Type.WHOLE, frozenset())

REGISTERED_MODELS: Final = Resource(
    entities=_ENTITIES,
    open_keys=_TAGS,
    keys={Entity.ATTRIBUTE: {"name": FieldType(Type.TEXT, EQUALITY | PATTERNS | MEMBERSHIP)}},
    aliases={},
    order_entities=frozenset(),
    order_aliases=frozenset(),
)
"""MLflow's fields for filters."""

REGISTERED_MODEL_ORDER: Final = Resource(
    entities=_ENTITIES,
    open_keys=_TAGS,
    keys={Entity.ATTRIBUTE: {"name": _SORTED, "last_updated_timestamp": _SORTED}},
    aliases={"timestamp": "last_updated_timestamp"},
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset({"timestamp"}),
)
"""MLflow's fields for sorting, which differ from those for filters."""
