"""The searchable fields of logged models."""

from typing import Final

from tandem_metadata.search.language.fields import (
    ON_NUMBERS,
    ON_TEXT,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TEXT = FieldType(Type.LITERAL, ON_TEXT)
_NUMBER = FieldType(Type.NUMBER, ON_NUMBERS)
_METRIC = FieldType(Type.NUMBER, ON_NUMBERS, several=True)

ALIASES: Final = {
    "creation_timestamp": "creation_timestamp_ms",
    "creation_time": "creation_timestamp_ms",
    "last_updated_timestamp": "last_updated_timestamp_ms",
}
"""Alternative spellings of attributes, in filters and for sorting."""

LOGGED_MODELS: Final = Resource(
    entities={
        "attributes": Entity.ATTRIBUTE,
        "metrics": Entity.METRIC,
        "params": Entity.PARAM,
        "tags": Entity.TAG,
    },
    open_keys={Entity.METRIC: _METRIC, Entity.PARAM: _TEXT, Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "name": _TEXT,
            "model_id": _TEXT,
            "model_type": _TEXT,
            "source_run_id": _TEXT,
            "experiment_id": _TEXT,
            "artifact_location": _TEXT,
            "status": _TEXT,
            "status_message": _TEXT,
            "lifecycle_stage": _TEXT,
            "creation_timestamp_ms": _NUMBER,
            "last_updated_timestamp_ms": _NUMBER,
        },
    },
    aliases=ALIASES,
    order_entities=frozenset(),
    order_aliases=frozenset(),
)
"""MLflow's fields. Sorting uses a list of fields, not order_by clauses."""
