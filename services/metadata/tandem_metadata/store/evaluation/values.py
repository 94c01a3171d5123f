"""What requests about evaluation datasets hold as JSON within JSON: tags and records."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from tandem_metadata.rules import json_numbers, limits
from tandem_shared.errors import InvalidParameter, invalid_value
from tandem_shared.wire import codec

USER: Final = "mlflow.user"
"""The tag that says who sends a dataset or a record."""

USER_LENGTH: Final = 255
TAG_KEY: Final = 255
TAG_VALUE: Final = 5_000

_SOURCE_TYPES: Final = ("UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE")


def tags(text: str) -> dict[str, str]:
    """The tags that a text holds; those without a value are left out.

    Raises InvalidParameter for a text that is no JSON object, and for what cannot be stored.
    """
    given = parsed("tags", text)
    if not isinstance(given, dict):
        raise invalid_value("tags", text, "it must be a JSON object")
    found = {key: str(value) for key, value in given.items() if value is not None}
    for key, value in found.items():
        codec.check_storable("tags", key)
        codec.check_storable("tags", value)
        if len(key) > TAG_KEY:
            raise InvalidParameter(
                f"A key in parameter 'tags' exceeds the maximum length of {TAG_KEY} characters: "
                f"{limits.quoted(key)} has {len(key)}."
            )
        limits.check_tag_value("tags", key, value, TAG_VALUE)
    user(found)
    return found


def records(text: str) -> list[dict[str, Any]]:
    """The records that a text holds; raises InvalidParameter for what are none.

    Each has `inputs`, and what else it is given. A source has its two fields.
    """
    given = parsed("records", text)
    if not isinstance(given, list):
        raise invalid_value("records", text, "it must be a JSON list of records")
    return [_record(f"records[{index}]", each) for index, each in enumerate(given)]


def user(tags: Mapping[str, Any] | None) -> str | None:
    """Who sends what has these tags; raises InvalidParameter for a name that cannot be stored."""
    name = (tags or {}).get(USER)
    if name is None:
        return None
    text = str(name)
    codec.check_storable("tags", text)
    limits.check_length(f"tags.{USER}", text, USER_LENGTH)
    return text


def input_hash(inputs: Mapping[str, Any]) -> str:
    """What two records of a dataset have in common that are the same record."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def parsed(field: str, text: str) -> Any:
    """What the text holds; raises InvalidParameter for what is no JSON."""
    try:
        return json_numbers.parsed(text)
    except (ValueError, RecursionError):
        raise invalid_value(
            field, text, "it must be JSON text, with finite numbers and without deep nesting"
        ) from None


def _record(field: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InvalidParameter(f"Parameter '{field}' must be a JSON object with 'inputs'.")
    record = {"inputs": {}, **given}
    for name in ("inputs", "expectations", "tags"):
        value = record.get(name)
        if not isinstance(value, dict) and (name == "inputs" or value is not None):
            raise InvalidParameter(f"Parameter '{field}.{name}' must be a JSON object.")
    user(record.get("tags"))
    if source := record.get("source"):
        record["source"] = _source(f"{field}.source", source)
    return record


def _source(field: str, given: Any) -> dict[str, Any]:
    kind, data = (
        (given.get("source_type"), given.get("source_data") or {})
        if isinstance(given, dict)
        else (None, {})
    )
    name = kind.upper() if isinstance(kind, str) else ""
    if name not in _SOURCE_TYPES:
        raise InvalidParameter(
            f"Invalid dataset record source type: {limits.quoted(str(kind))}. Set "
            f"'{field}.source_type' to one of {', '.join(_SOURCE_TYPES)}."
        )
    if not isinstance(data, dict):
        raise InvalidParameter(f"Parameter '{field}.source_data' must be a JSON object.")
    return {"source_type": name, "source_data": data}
