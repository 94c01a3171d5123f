"""Integers that requests spell as text: ids of experiments, numbers of model versions."""

import re
from typing import Final

INT64_MAX: Final = 2**63 - 1

_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]+\s*")


def parse(text: str, largest: int = INT64_MAX) -> int | None:
    """The integer; None for one below 0, or above the `largest` that a column holds.

    Raises ValueError for text that is not an integer.
    """
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    # The length first: int() refuses thousands of digits with an error of its own.
    number = int(text) if len(text) <= 20 else -1
    return number if 0 <= number <= largest else None
