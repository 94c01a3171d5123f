"""The searchable fields of traces."""

from typing import Final

from tandem_metadata.search.language.fields import (
    EQUALITY,
    EXPRESSIONS,
    MEMBERSHIP,
    ON_NUMBERS,
    ON_TEXT,
    PATTERNS,
    PRESENCE,
    SIZES,
    Entity,
    FieldType,
    Resource,
    Type,
)

NAME: Final = "mlflow.traceName"
"""The tag that is a trace's name."""

RUN: Final = "mlflow.sourceRun"
"""The metadata that is the run in which a trace was made."""

SESSION: Final = "mlflow.trace.session"
TOKENS_USED: Final = "mlflow.trace.tokenUsage"
COST: Final = "mlflow.trace.cost"

_TEXT = FieldType(Type.TEXT, ON_TEXT | EXPRESSIONS)
_NUMBER = FieldType(Type.TIME, ON_NUMBERS)
_OF_SPAN = FieldType(Type.TEXT, (ON_TEXT | EXPRESSIONS) - PRESENCE)
_ASSESSED = FieldType(Type.ASSESSED, ON_TEXT | EXPRESSIONS | SIZES, several=True)
_LINK = FieldType(Type.TEXT, frozenset({"="}), several=True)

TRACES: Final = Resource(
    entities={
        "tag": Entity.TAG,
        "tags": Entity.TAG,
        "metadata": Entity.METADATA,
        "request_metadata": Entity.METADATA,
        "attribute": Entity.ATTRIBUTE,
        "attributes": Entity.ATTRIBUTE,
        "trace": Entity.ATTRIBUTE,
        "span": Entity.SPAN,
        "feedback": Entity.FEEDBACK,
        "expectation": Entity.EXPECTATION,
        "issue": Entity.ISSUE,
    },
    open_keys={
        Entity.TAG: _TEXT,
        Entity.METADATA: _TEXT,
        Entity.SPAN_ATTRIBUTE: _TEXT,
        Entity.FEEDBACK: _ASSESSED,
        Entity.EXPECTATION: _ASSESSED,
    },
    keys={
        Entity.ATTRIBUTE: {
            "request_id": _TEXT,
            "client_request_id": _TEXT,
            "experiment_id": FieldType(Type.ID, EQUALITY | MEMBERSHIP),
            "timestamp_ms": _NUMBER,
            "execution_time_ms": _NUMBER,
            "end_time_ms": _NUMBER,
            "status": _TEXT,
            "name": _TEXT,
            "run_id": _TEXT,
            "prompt": _LINK,
        },
        Entity.SPAN: {
            "name": _OF_SPAN,
            "type": _OF_SPAN,
            "status": _OF_SPAN,
            "content": FieldType(Type.TEXT, PATTERNS),
        },
        Entity.ISSUE: {"id": _LINK, "name": _LINK},
    },
    aliases={
        "timestamp": "timestamp_ms",
        "execution_time": "execution_time_ms",
        "end_time": "end_time_ms",
    },
    order_entities=frozenset({Entity.ATTRIBUTE, Entity.TAG, Entity.METADATA}),
    order_aliases=frozenset({"timestamp", "execution_time", "end_time"}),
    within={Entity.SPAN: {"attributes.": Entity.SPAN_ATTRIBUTE}},
    same={
        (Entity.TAG, NAME): (Entity.ATTRIBUTE, "name"),
        (Entity.METADATA, RUN): (Entity.ATTRIBUTE, "run_id"),
        (Entity.ATTRIBUTE, "text"): (Entity.SPAN, "content"),
    },
    unsorted=frozenset(
        {
            (Entity.ATTRIBUTE, "client_request_id"),
            (Entity.ATTRIBUTE, "prompt"),
            (Entity.METADATA, TOKENS_USED),
            (Entity.METADATA, COST),
        }
    ),
)
"""MLflow's fields. Each has all operators of its type; MLflow has some of them."""
