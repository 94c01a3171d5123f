"""Which scorers are kept: none that has whoever loads it run code, or send data elsewhere."""

import json
from collections.abc import Iterator
from typing import Any, Final

from tandem_metadata.rules import limits
from tandem_shared.errors import InvalidParameter, NotFound

NAME: Final = 256

_DESTINATIONS: Final = frozenset(
    {"api_base", "base_url", "custom_llm_provider", "fallbacks", "model_list"}
)
"""Options of libraries that choose the host that a language model is asked at."""

_WITH_MODEL: Final = (
    "instructions_judge_pydantic_data",
    "builtin_scorer_pydantic_data",
    "third_party_scorer_data",
)
_GATEWAY: Final = "gateway:/"


def check(name: str, serialized: str) -> None:
    """Raise InvalidParameter or NotFound unless a scorer can be kept."""
    if not name.strip():
        raise InvalidParameter("Invalid name: a scorer's name cannot be blank.")
    limits.check_length("name", name, NAME)
    try:
        scorer = json.loads(serialized)
    except (ValueError, RecursionError):
        raise InvalidParameter(
            "Invalid serialized_scorer: it must be valid JSON, as the client makes it."
        ) from None
    if not isinstance(scorer, dict):
        raise InvalidParameter("Invalid serialized_scorer: it must be a JSON object.")
    for each in _objects(scorer):
        if each.get("call_source") is not None:
            raise InvalidParameter(
                "Custom scorer registration (of functions with the @scorer decorator) is not "
                "supported: whoever loads such a scorer runs its code. Keep the function where "
                "your code is and import it, or register a built-in scorer or one of make_judge."
            )
        _check_third_party(each.get("third_party_scorer_data"))
    _check_model(_model(scorer))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a JSON value, which may be nested as deep as the parser reads."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield each
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)


def _check_third_party(data: Any) -> None:
    options = data.get("kwargs") if isinstance(data, dict) else None
    if options is None:
        return
    if not isinstance(options, dict):
        raise InvalidParameter(
            "Invalid serialized_scorer: third_party_scorer_data.kwargs must be a JSON object."
        )
    if found := sorted(_DESTINATIONS.intersection(_keys(options))):
        raise InvalidParameter(
            f"Invalid serialized_scorer: third_party_scorer_data.kwargs must not have "
            f"{', '.join(found)}, which choose where its model is asked; set that where the "
            "scorer runs."
        )


def _keys(options: Any) -> Iterator[str]:
    """The keys of all objects in a value, and of lists of pairs, which libraries take for these."""
    left = [options]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            yield from each
            left.extend(each.values())
        elif isinstance(each, list):
            if len(each) == 2 and isinstance(each[0], str):
                yield each[0]
            left.extend(each)


def _model(scorer: dict[str, Any]) -> Any:
    """The model that a scorer names, None for none."""
    while isinstance(memory := scorer.get("memory_augmented_judge_data"), dict):
        if any(scorer.get(each) for each in _WITH_MODEL[:2]):
            break
        base = memory.get("base_judge")
        if not isinstance(base, dict):
            return None
        scorer = base
    for each in _WITH_MODEL:
        data = scorer.get(each)
        if isinstance(data, dict) and data:
            return data.get("model")
    return None


def _check_model(model: Any) -> None:
    if model is None:
        return
    if not isinstance(model, str) or not model.strip():
        raise InvalidParameter(
            "Invalid serialized_scorer: its model must be a string that is not blank."
        )
    if model.startswith(_GATEWAY):
        raise NotFound(
            f"GatewayEndpoint not found ({model.removeprefix(_GATEWAY)[:100]!r}): Tandem is no "
            "gateway to language models; name the provider's model, as in openai:/gpt-4o."
        )
