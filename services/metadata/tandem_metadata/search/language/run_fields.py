"""The searchable fields of runs."""

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

_TEXT = FieldType(Type.TEXT, EQUALITY | PATTERNS)
_LISTED_TEXT = FieldType(Type.TEXT, EQUALITY | PATTERNS | MEMBERSHIP)
_OPTIONAL_TEXT = FieldType(Type.TEXT, EQUALITY | PATTERNS | PRESENCE)
_NUMBER = FieldType(Type.NUMBER, EQUALITY | SIZES)

RUNS: Final = Resource(
    entities={
        "metric": Entity.METRIC,
        "metrics": Entity.METRIC,
        "parameter": Entity.PARAM,
        "parameters": Entity.PARAM,
        "param": Entity.PARAM,
        "params": Entity.PARAM,
        "tag": Entity.TAG,
        "tags": Entity.TAG,
        "attribute": Entity.ATTRIBUTE,
        "attributes": Entity.ATTRIBUTE,
        "attr": Entity.ATTRIBUTE,
        "run": Entity.ATTRIBUTE,
        "dataset": Entity.DATASET,
        "datasets": Entity.DATASET,
    },
    open_keys={Entity.METRIC: _NUMBER, Entity.PARAM: _OPTIONAL_TEXT, Entity.TAG: _OPTIONAL_TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "run_id": _LISTED_TEXT,
            "run_name": _TEXT,
            "user_id": _TEXT,
            "status": _TEXT,
            "start_time": _NUMBER,
            "end_time": _NUMBER,
            "artifact_uri": _TEXT,
            "lifecycle_stage": _TEXT,
        },
        Entity.DATASET: {"name": _LISTED_TEXT, "digest": _LISTED_TEXT, "context": _LISTED_TEXT},
    },
    aliases={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
    order_entities=frozenset({Entity.ATTRIBUTE, Entity.METRIC, Entity.PARAM, Entity.TAG}),
    order_aliases=frozenset({"created", "Created"}),
)
"""MLflow's fields, and `lifecycle_stage`, which MLflow returns but does not accept in filters."""
