"""Example data of each kind of event, with MLflow's fields, for testing a webhook."""

from collections.abc import Mapping
from typing import Final

_TAGS: Final = {"example_key": "example_value"}
_MODEL: Final = {"name": "example_model"}
_PROMPT: Final = {"name": "example_prompt"}
_VERSION: Final = {"version": "1"}
_KEY: Final = {"key": "example_key"}
_VALUE: Final = {"value": "example_value"}
_ALIAS: Final = {"alias": "example_alias"}

EXAMPLES: Final[Mapping[tuple[str, str], Mapping[str, object]]] = {
    ("REGISTERED_MODEL", "CREATED"): {
        **_MODEL,
        "tags": _TAGS,
        "description": "An example registered model",
    },
    ("MODEL_VERSION", "CREATED"): {
        **_MODEL,
        **_VERSION,
        "source": "models:/123",
        "run_id": "abcd1234abcd5678",
        "tags": _TAGS,
        "description": "An example model version",
    },
    ("MODEL_VERSION_TAG", "SET"): {**_MODEL, **_VERSION, **_KEY, **_VALUE},
    ("MODEL_VERSION_TAG", "DELETED"): {**_MODEL, **_VERSION, **_KEY},
    ("MODEL_VERSION_ALIAS", "CREATED"): {**_MODEL, **_ALIAS, **_VERSION},
    ("MODEL_VERSION_ALIAS", "DELETED"): {**_MODEL, **_ALIAS},
    ("PROMPT", "CREATED"): {**_PROMPT, "tags": _TAGS, "description": "An example prompt"},
    ("PROMPT_VERSION", "CREATED"): {
        **_PROMPT,
        **_VERSION,
        "template": "Hello {{name}}!",
        "tags": _TAGS,
        "description": "An example prompt version",
    },
    ("PROMPT_TAG", "SET"): {**_PROMPT, **_KEY, **_VALUE},
    ("PROMPT_TAG", "DELETED"): {**_PROMPT, **_KEY},
    ("PROMPT_VERSION_TAG", "SET"): {**_PROMPT, **_VERSION, **_KEY, **_VALUE},
    ("PROMPT_VERSION_TAG", "DELETED"): {**_PROMPT, **_VERSION, **_KEY},
    ("PROMPT_ALIAS", "CREATED"): {**_PROMPT, **_ALIAS, **_VERSION},
    ("PROMPT_ALIAS", "DELETED"): {**_PROMPT, **_ALIAS},
    ("BUDGET_POLICY", "EXCEEDED"): {
        "budget_policy_id": "bp-abc123",
        "budget_unit": "USD",
        "budget_amount": 100.0,
        "current_spend": 105.5,
        "duration_unit": "MONTHS",
        "duration_value": 1,
        "target_scope": "ENDPOINT",
        "workspace": "default",
        "target_value": "ep-abc123",
        "window_start": 1704067200000,
    },
}
"""By entity and action."""
