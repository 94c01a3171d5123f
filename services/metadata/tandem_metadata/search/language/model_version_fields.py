"""The searchable fields of model versions."""

from typing import Final

from tandem_metadata.search.language.fields import (
    ON_NUMBERS,
    ON_TEXT,
    Entity,
    FieldType,
    Resource,
    Type,
)
from tandem_metadata.search.language.registered_model_fields import IS_PROMPT

_TEXT: Final = FieldType(Type.TEXT, ON_TEXT)
_ENTITIES: Final = {"attribute": Entity.ATTRIBUTE, "tag": Entity.TAG, "tags": Entity.TAG}
_SORTED: Final = FieldType(Type.WHOLE, frozenset())

MODEL_VERSIONS: Final = Resource(
    entities=_ENTITIES,
    open_keys={Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "name": _TEXT,
            "version_number": FieldType(Type.VERSION, ON_NUMBERS),
            "run_id": _TEXT,
            "source_path": _TEXT,
        },
    },
    aliases={},
    order_entities=frozenset(),
    order_aliases=frozenset(),
    kind_tags=frozenset({IS_PROMPT}),
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
