"""The searchable fields of registered models."""

from typing import Final

from tandem_metadata.search.language.fields import (
    ON_TEXT,
    Entity,
    FieldType,
    Resource,
    Type,
)

IS_PROMPT: Final = "mlflow.prompt.is_prompt"
"""The tag of prompts, which are registered models."""

_ENTITIES: Final = {"attribute": Entity.ATTRIBUTE, "tag": Entity.TAG, "tags": Entity.TAG}
_TEXT: Final = FieldType(Type.TEXT, ON_TEXT)
_TAGS: Final = {Entity.TAG: _TEXT}
_SORTED: Final = FieldType(Type.WHOLE, frozenset())

REGISTERED_MODELS: Final = Resource(
    entities=_ENTITIES,
    open_keys=_TAGS,
    keys={Entity.ATTRIBUTE: {"name": _TEXT}},
    aliases={},
    order_entities=frozenset(),
    order_aliases=frozenset(),
    kind_tags=frozenset({IS_PROMPT}),
)
"""MLflow's fields for filters."""

REGISTERED_MODEL_ORDER: Final = Resource(
    entities=_ENTITIES,
    open_keys=_TAGS,
    keys={Entity.ATTRIBUTE: {"name": _SORTED, "last_updated_timestamp": _SORTED}},
    aliases={"timestamp": "last_updated_timestamp"},
    order_entities=frozenset({Entity.ATTRIBUTE}),
    order_aliases=frozenset({"timestamp"}),
)
"""MLflow's fields for sorting, which differ from those for filters."""
