"""The searchable fields of logged models."""

from typing import Final

from tandem_metadata.search.fields import (
    EQUALITY,
    MEMBERSHIP,
    PATTERNS,
    SIZES,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TEXT = FieldType(Type.TEXT, EQUALITY | PATTERNS | MEMBERSHIP)
_TIME = FieldType(Type.NUMBER, EQUALITY | SIZES)

LOGGED_MODELS: Final = Resource(
    entities={"attribute": Entity.ATTRIBUTE, "attributes": Entity.ATTRIBUTE},
    open_keys={},
    keys={
        Entity.ATTRIBUTE: {
            "name": _TEXT,
            "model_id": _TEXT,
            "model_type": _TEXT,
            "source_run_id": _TEXT,
            "creation_timestamp_ms": _TIME,
            "last_updated_timestamp_ms": _TIME,
        },
    },
    aliases={
        "creation_timestamp": "creation_timestamp_ms",
        "creation_time": "creation_timestamp_ms",
        "last_updated_timestamp": "last_updated_timestamp_ms",
    },
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset({"creation_timestamp", "creation_time", "last_updated_timestamp"}),
)
"""The attributes by which clients look a run's models up."""
