"""The searchable fields of runs."""

from typing import Final

from tandem_metadata.search.language.fields import (
    ON_NUMBERS,
    ON_TEXT,
    Entity,
    FieldType,
    Resource,
    Type,
)

_TEXT = FieldType(Type.TEXT, ON_TEXT)
_NUMBER = FieldType(Type.NUMBER, ON_NUMBERS)
_OF_DATASETS = FieldType(Type.TEXT, ON_TEXT, several=True)

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
    open_keys={Entity.METRIC: _NUMBER, Entity.PARAM: _TEXT, Entity.TAG: _TEXT},
    keys={
        Entity.ATTRIBUTE: {
            "run_id": _TEXT,
            "run_name": _TEXT,
            "user_id": _TEXT,
            "status": _TEXT,
            "start_time": _NUMBER,
            "end_time": _NUMBER,
            "artifact_uri": _TEXT,
            "lifecycle_stage": _TEXT,
        },
        Entity.DATASET: {"name": _OF_DATASETS, "digest": _OF_DATASETS, "context": _OF_DATASETS},
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
"""MLflow's fields, and `lifecycle_stage`, which MLflow returns but does not accept in filters.

Each has all operators of its type; MLflow has some of them.
"""
