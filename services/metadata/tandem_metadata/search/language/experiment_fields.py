"""The searchable fields of experiments."""

from typing import Final

from tandem_metadata.search.language.fields import (
    EQUALITY,
    MEMBERSHIP,
    PATTERNS,
    PRESENCE,
    SIZES,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TIME = FieldType(Type.WHOLE, EQUALITY | SIZES)

EXPERIMENTS: Final = Resource(
    entities={"attribute": Entity.ATTRIBUTE, "tag": Entity.TAG, "tags": Entity.TAG},
    open_keys={Entity.TAG: FieldType(Type.TEXT, EQUALITY | PATTERNS | PRESENCE)},
    keys={
        Entity.ATTRIBUTE: {
            "name": FieldType(Type.TEXT, EQUALITY | PATTERNS),
            "experiment_id": FieldType(Type.ID, EQUALITY | MEMBERSHIP),
            "creation_time": _TIME,
            "last_update_time": _TIME,
        },
    },
    aliases={},
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset(),
)
"""MLflow's fields. MLflow refuses `attributes.` and the other entities of runs here."""
