"""Values of attributes: what every database stores, how large and how deep they may be."""

import json
import re
from typing import Any, Final

import msgspec

LAST_TIME: Final = 2**63 - 1
"""The latest time of the columns, in nanoseconds."""

MAX_SPANS: Final = 100_000
"""The most spans in a request. Exporters send 512 at a time unless told otherwise."""

MAX_VALUES: Final = 1_000_000
"""The most events, links and values in a request; ten thousand spans have 300,000."""

MAX_FIELDS: Final = 5 * MAX_VALUES
"""The most fields of protobuf in a request, of any kind: an attribute has four."""

MAX_DEPTH: Final = 64
"""How deep lists and objects may be nested in a value."""

TOO_DEEP: Final = f"(nested more than {MAX_DEPTH} deep)"
"""What stands for a list or an object that lies deeper."""

_REPLACEMENT: Final = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXTS: Final = frozenset('"{[ \t\r\n')
"""What JSON texts begin with that are unwrapped."""

_encode = json.JSONEncoder(ensure_ascii=False).encode


class Malformed(Exception):
    """A body that is no export of traces. The sentence is for the client."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Invalid OpenTelemetry format: {why}.")


class TooLarge(Malformed):
    """A body that would take too much memory."""


class Refused(Exception):
    """A span that cannot be kept, while others of its batch can. The reason is for the client."""


class Allowance:
    """How much a request may still have: values take more memory than bytes, and fields time."""

    __slots__ = ("_fields_left", "_spans_left", "_texts_left", "_values_left")

    def __init__(self) -> None:
        self._fields_left = MAX_FIELDS
        self._spans_left = MAX_SPANS
        self._values_left = MAX_VALUES
        self._texts_left = 2 * MAX_VALUES

    def take(self, count: int = 1) -> None:
        """Raise TooLarge if the request has too many values."""
        self._values_left -= count
        if self._values_left < 0:
            raise TooLarge(
                f"it holds more than {MAX_VALUES} events and values; export smaller batches"
            )

    def take_span(self) -> None:
        """Raise TooLarge if the request has too many spans."""
        self._spans_left -= 1
        if self._spans_left < 0:
            raise TooLarge(f"it holds more than {MAX_SPANS} spans; export smaller batches")

    def take_fields(self, count: int = 1) -> None:
        """Raise TooLarge if the request has too many fields."""
        self._fields_left -= count
        if self._fields_left < 0:
            raise TooLarge(f"it has more than {MAX_FIELDS} fields; export smaller batches")

    def unwrap(self, text: str) -> Any:
        """The value of a string that is a JSON text of an object, a list or a string.

        Instrumentation outside of MLflow writes objects as such texts. Other strings are returned
        as they are, also if the request has too many values in texts.
        """
        if not text or text[0] not in _TEXTS:
            return text
        brackets = text.count("[") + text.count("{")
        signs = brackets + text.count(",")
        if signs > self._texts_left:
            return text
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            value = _unwrap_nan(text)
        if not isinstance(value, str | list | dict):
            return text
        self._texts_left -= signs
        if brackets > MAX_DEPTH and not _within(value, MAX_DEPTH):
            return text
        return _clean(value) if "\\u0000" in text else value


def storable(text: str) -> str:
    """The text without what no database stores: NUL characters and half surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", _REPLACEMENT)
    if not text.isascii() and _SURROGATE.search(text):
        text = _SURROGATE.sub(_REPLACEMENT, text)
    return text


def as_text(value: Any) -> str:
    """The value as a JSON text, as MLflow writes it."""
    return _encode(value)


def as_plain(value: Any) -> str:
    """A string as it is, any other value as a JSON text."""
    return value if isinstance(value, str) else _encode(value)


def cut(text: str, width: int) -> str:
    """The text, at most as long as a column that holds `width` characters."""
    return text if len(text) <= width else text[:width]


def _unwrap_nan(text: str) -> Any:
    """The value of a text with NaN or Infinity, which Python writes and msgspec does not read."""
    if "NaN" not in text and "Infinity" not in text:
        return None
    try:
        value = json.loads(text)
        _encode(value).encode()
    except (ValueError, RecursionError):
        return None
    return value


def _within(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_within(each, depth - 1) for each in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_within(each, depth - 1) for each in value)
    return True


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {storable(key): _clean(each) for key, each in value.items()}
    return value
