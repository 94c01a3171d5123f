"""What a token may be."""

import re
from collections.abc import Sequence
from typing import Final

from tandem_metadata.rules import integers, limits
from tandem_shared.errors import InvalidParameter, invalid_value

MOST: Final = 500
"""Tokens that a user may have."""

MOST_EXPERIMENTS: Final = 100
"""Experiments that a token may be restricted to."""

LONGEST_SECONDS: Final = 100 * 365 * 24 * 3600
"""The longest life of a token that expires."""

_NAME: Final = 255
_LIFE: Final = re.compile(r"(?P<number>[1-9][0-9]{0,9})(?P<unit>[smhdw]?)")
_ZERO: Final = re.compile(r"0+[smhdw]?")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def check_name(name: str) -> None:
    """Raise InvalidParameter for a name that no token may have."""
    limits.check_length("name", name, _NAME)


def seconds_of(text: str) -> int:
    """A life in seconds, as `30d`, `12h`, `90m` or `3600`; raises InvalidParameter."""
    if _ZERO.fullmatch(text):
        raise invalid_value("expires", text, "it must be more than zero")
    life = _LIFE.fullmatch(text)
    seconds = int(life["number"]) * _UNITS[life["unit"]] if life else 0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise invalid_value(
            "expires", text, "it must be a number and a unit, s, m, h, d or w, as 30d"
        )
    return seconds


def experiments_of(ids: Sequence[str]) -> list[str]:
    """Ids of experiments as they are stored, each once; raises InvalidParameter."""
    if not 0 < len(ids) <= MOST_EXPERIMENTS:
        raise InvalidParameter(
            f"Parameter 'experiments' holds {len(ids)} experiments: it must hold 1 to "
            f"{MOST_EXPERIMENTS}, or be left out for a token that may do all that its user may."
        )
    found: dict[str, None] = {}
    for each in ids:
        try:
            number = integers.parse(each)
        except ValueError:
            number = None
        if number is None:
            raise invalid_value("experiments", each, "it must be the id of an experiment, a number")
        found[str(number)] = None
    return [*found]
