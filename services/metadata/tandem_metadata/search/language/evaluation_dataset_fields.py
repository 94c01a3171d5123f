"""The searchable fields of evaluation datasets."""

from typing import Final

from tandem_metadata.search.language.fields import (
    ON_NUMBERS,
    ON_TEXT,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TEXT: Final = FieldType(Type.TEXT, ON_TEXT)
_TIME: Final = FieldType(Type.VERSION, ON_NUMBERS)

EVALUATION_DATASETS: Final = Resource(
    entities={
        "attribute": Entity.ATTRIBUTE,
        "attributes": Entity.ATTRIBUTE,
        "tag": Entity.TAG,
        "tags": Entity.TAG,
    },
    open_keys={Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "name": _TEXT,
            "created_by": _TEXT,
            "last_updated_by": _TEXT,
            "created_time": _TIME,
            "last_update_time": _TIME,
        }
    },
    aliases={},
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset(),
    unsorted=frozenset({(Entity.ATTRIBUTE, "created_by"), (Entity.ATTRIBUTE, "last_updated_by")}),
)
"""MLflow's fields."""
