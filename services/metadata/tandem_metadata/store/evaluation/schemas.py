"""The schema of an evaluation dataset: the fields of its records, with the type of each."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

_PARTS: Final = ("inputs", "outputs", "expectations")
_TYPES: Final = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "float"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def extended(stored: str | None, records: Iterable[Mapping[str, Any]]) -> str | None:
    """A stored schema with the fields that records add; None without either.

    A field keeps the type that it was first seen with. Outputs that are no object have one type.
    """
    given = [*records]
    if not given:
        return stored
    schema = {**{name: {} for name in _PARTS}, "version": "1.0", **_read(stored)}
    for record in given:
        for name in _PARTS:
            value, part = record.get(name), schema[name]
            if isinstance(value, dict):
                if isinstance(part, dict):
                    for field, each in value.items():
                        part.setdefault(field, _type(each))
            elif value is not None and not part:
                schema[name] = _type(value)
    return json.dumps(schema)


def _read(stored: str | None) -> dict[str, Any]:
    try:
        found = json.loads(stored or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _type(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for kind, name in _TYPES if isinstance(value, kind))
