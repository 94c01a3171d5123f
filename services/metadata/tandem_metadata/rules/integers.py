"""Integers that requests spell as text: ids of experiments, numbers of model versions."""

import re
from typing import Final

_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]+\s*")
_MAX: Final = 2**31 - 1


def parse(text: str) -> int | None:
    """The integer; None for one that no integer column holds: below 0, or above 2**31 - 1.

    Raises ValueError for text that is not an integer.
    """
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    # The length first: int() refuses thousands of digits with an error of its own.
    number = int(text) if len(text) <= 20 else -1
    return number if 0 <= number <= _MAX else None
