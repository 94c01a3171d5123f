"""Ages after which things are deleted for good, and the tag of an experiment that gives one."""

import re
from typing import Final

TAG: Final = "tandem.retention"
"""The tag of an experiment; its value is an age."""

DAY_MS: Final = 86_400_000

_AGE: Final = re.compile(
    r"(?:(?P<d>[0-9]+(?:\.[0-9]+)?)d)?(?:(?P<h>[0-9]+(?:\.[0-9]+)?)h)?"
    r"(?:(?P<m>[0-9]+(?:\.[0-9]+)?)m)?(?:(?P<s>[0-9]+(?:\.[0-9]+)?)s)?"
)
_MS: Final = {"d": DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1_000}
_DIGITS: Final = 20
_LONGEST_MS: Final = 1000 * 366 * DAY_MS
_LEAST_OF_TAG_MS: Final = DAY_MS
"""Shorter ones are refused in tags: whoever writes `90m` most likely means months."""


def milliseconds(text: str) -> int:
    """An age, as `30d`, `12h` or `1d12h30m10s`; raises ValueError, with a reason."""
    found = _AGE.fullmatch(text.strip())
    parts = {unit: given for unit, given in (found.groupdict() if found else {}).items() if given}
    if not parts:
        raise ValueError("it must be an age, as 30d, 12h or 1d12h30m")
    if any(len(given) > _DIGITS for given in parts.values()):
        raise ValueError("it is more than 1,000 years")
    age = sum(float(given) * _MS[unit] for unit, given in parts.items())
    if age > _LONGEST_MS:
        raise ValueError("it is more than 1,000 years")
    return round(age)


def of_tag(value: str) -> int:
    """The age, in milliseconds, that a tag's value gives; raises ValueError, with a reason."""
    age = milliseconds(value)
    if age < _LEAST_OF_TAG_MS:
        raise ValueError("it is less than a day (1d)")
    return age
