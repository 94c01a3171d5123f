"""Times and durations in JSON: milliseconds as protobuf's mapping writes them, and back.

A time is RFC 3339 in UTC, a duration a number of seconds with an `s`. Fractions have three digits,
and none where they are zero; up to nine digits are read.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tandem_shared.errors import invalid_value

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = -62_135_596_800_000
_LAST: Final = 253_402_300_799_999
"""The first and the last millisecond that a time can be: of the years 1 and 9999."""
_LONGEST: Final = 315_576_000_000_000
"""Milliseconds of the longest duration of protobuf: 10,000 years."""

_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION: Final = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)


def time(ms: int) -> str:
    """Milliseconds since 1970 as `2026-11-28T16:57:43.697Z`.

    What no time can be becomes the first or the last one.
    """
    ms = min(max(ms, _FIRST), _LAST)
    at = _EPOCH + timedelta(milliseconds=ms)
    shown = at.isoformat(timespec="milliseconds" if ms % 1000 else "seconds")
    return f"{shown[:-6]}Z"


def duration(ms: int) -> str:
    """Milliseconds as `0.096s`; at most as protobuf can hold, 10,000 years."""
    ms = min(max(ms, -_LONGEST), _LONGEST)
    sign = "-" if ms < 0 else ""
    seconds, rest = divmod(abs(ms), 1000)
    return f"{sign}{seconds}.{rest:03}s" if rest else f"{sign}{seconds}s"


def time_ms(text: str, field: str) -> int:
    """Milliseconds since 1970 of a time, rounded down; raises InvalidParameter for `field`."""
    if found := _TIME.fullmatch(text):
        date, fraction, zone = found.groups()
        try:
            at = datetime.fromisoformat(date + ("+00:00" if zone == "Z" else zone))
        except ValueError:  # there is no such day or hour
            pass
        else:
            seconds = (at - _EPOCH) // timedelta(seconds=1)
            return seconds * 1000 + int((fraction or "").ljust(9, "0")) // 1_000_000
    raise invalid_value(field, text, "it must be a time such as 2026-11-28T16:57:43.697Z")


def duration_ms(text: str, field: str) -> int:
    """Milliseconds of a duration, rounded towards zero; raises InvalidParameter for `field`."""
    if found := _DURATION.fullmatch(text):
        sign, seconds, fraction = found.groups()
        ms = int(seconds) * 1000 + int((fraction or "").ljust(9, "0")) // 1_000_000
        if ms <= _LONGEST:
            return -ms if sign else ms
    raise invalid_value(
        field, text, "it must be a number of seconds such as 0.096s, of at most 10,000 years"
    )
