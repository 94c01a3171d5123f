"""Numbers in JSON texts, of which Python's json module reads and writes some that JSON lacks."""

import json
import math
from typing import Any, NoReturn

from tandem_shared.wire.codec import json_double


class NotFinite(ValueError):
    """A text that holds NaN, an infinity, or a number beyond those that are read."""


def parsed(text: str) -> Any:
    """What a JSON text holds.

    Raises NotFinite for NaN, infinities, numbers with a point or an exponent that are larger than
    every double, and integers of more digits than Python reads. Another ValueError is of what is no
    JSON, and a RecursionError of what is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_double, parse_int=_integer)


def parsed_as_python_writes(text: str) -> Any:
    """As `parsed`, but for NaN and infinities, which are read: NotFinite are only the integers."""
    return json.loads(text, parse_int=_integer)


def with_words(value: Any) -> Any:
    """A value with words for NaN and the infinities, of which JSON has none."""
    if isinstance(value, float):
        return json_double(value)
    if isinstance(value, dict):
        return {key: with_words(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_words(each) for each in value]
    return value


def _refuse(text: str) -> NoReturn:
    raise NotFinite(text)


def _double(text: str) -> float:
    if math.isinf(number := float(text)):
        raise NotFinite(text)
    return number


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # of the limit for digits
        raise NotFinite(text) from None
