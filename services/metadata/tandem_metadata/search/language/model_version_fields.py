"""The searchable fields of model versions."""

from typing import Final

from tandem_metadata.search.language.fields import (
    EQUALITY,
    MEMBERSHIP,
    PATTERNS,
    SIZES,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TEXT: Final = FieldType(Type.TEXT, EQUALITY | PATTERNS)
_LISTED_TEXT: Final = FieldType(Type.TEXT, EQUALITY | PATTERNS | MEMBERSHIP)
_ENTITIES: Final = {"attribute": Entity.ATTRIBUTE, "tag": Entity.TAG, "tags": Entity.TAG}
_SORTED: Final = FieldType(Type.WHOLE, frozenset())

MODEL_VERSIONS: Final = Resource(
    entities=_ENTITIES,
    open_keys={Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "name": _LISTED_TEXT,
            "version_number": FieldType(Type.VERSION, EQUALITY | SIZES),
            "run_id": _LISTED_TEXT,
            "source_path": _TEXT,
        },
    },
    aliases={},
    order_entities=frozenset(),
    order_aliases=frozenset(),
)
"""MLflow's fields for filters."""

MODEL_VERSION_ORDER: Final = Resource(
    entities=_ENTITIES,
    open_keys={Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "name": _SORTED,
            "version_number": _SORTED,
            "creation_timestamp": _SORTED,
            "last_updated_timestamp": _SORTED,
        },
    },
    aliases={},
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset(),
)
"""MLflow's fields for sorting, which differ from those for filters."""
