"""The searchable fields of experiments."""

from typing import Final

from tandem_metadata.search.language.fields import (
    EQUALITY,
    MEMBERSHIP,
    ON_NUMBERS,
    ON_TEXT,
    PRESENCE,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TEXT = FieldType(Type.TEXT, ON_TEXT)
_TIME = FieldType(Type.WHOLE, ON_NUMBERS)

EXPERIMENTS: Final = Resource(
    entities={"attribute": Entity.ATTRIBUTE, "tag": Entity.TAG, "tags": Entity.TAG},
    open_keys={Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "name": _TEXT,
            "experiment_id": FieldType(Type.ID, EQUALITY | MEMBERSHIP | PRESENCE),
            "creation_time": _TIME,
            "last_update_time": _TIME,
        },
    },
    aliases={},
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset(),
)
"""MLflow's fields. MLflow refuses `attributes.` and the other entities of runs here."""
