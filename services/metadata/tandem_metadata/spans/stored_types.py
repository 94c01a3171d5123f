"""Types of spans in stored documents, where the MLflow that stored them did not translate them."""

import json
from typing import Any, Final

import msgspec

from tandem_metadata.spans.document import as_json, value_of
from tandem_metadata.spans.keys import TYPE
from tandem_metadata.spans.translation import conventions_of, translate_type
from tandem_metadata.spans.values import as_text

_UNKNOWN: Final = as_text(as_text("UNKNOWN"))
"""As it stands in a document."""


class _Names(msgspec.Struct):
    attributes: dict[str, msgspec.Raw]


_names: Final = msgspec.json.Decoder(_Names)


def typed(content: str) -> str:
    """The document, as JSON, with MLflow's type of its span; mostly the very document."""
    content = as_json(content)
    if TYPE in content and _UNKNOWN not in content:
        return content
    try:
        if not conventions_of(_names.decode(content).attributes):
            return content  # found out in a tenth of the time that reading the values takes
        document = json.loads(content)
        attributes: dict[str, Any] = {
            key: value_of(text) for key, text in document["attributes"].items()
        }
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return content  # no document of a span
    if not translate_type(attributes):
        return content
    document["attributes"][TYPE] = as_text(attributes[TYPE])
    return as_text(document)
