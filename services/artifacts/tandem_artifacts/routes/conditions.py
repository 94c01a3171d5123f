"""Preconditions and ranges of a download, as RFC 9110, sections 13 and 14, has them."""

import re
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from starlette.datastructures import Headers

from tandem_artifacts.drivers.base import Stat

_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))[ \t]*")
_HEADERS = ("range", "if-match", "if-unmodified-since", "if-none-match", "if-modified-since")


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of an object that the answer carries."""

    status: int
    """200 all of it, 206 a part, 304 nothing new, 412 not the object meant, 416 no such part."""
    start: int = 0
    length: int = 0
    """Bytes."""


def any_given(headers: Headers) -> bool:
    """Whether a precondition or a range needs the object's `stat` first."""
    return any(name in headers for name in _HEADERS)


def select(headers: Headers, stat: Stat, *, ranges: bool = True) -> Selection:
    """Decide what to answer about an object as it is now; `ranges` is false for HEAD.

    Malformed headers and several ranges at once count as absent: RFC 9110 lets a server answer
    with the whole.
    """
    if not _expected(headers, stat):
        return Selection(412)
    if _known(headers, stat):
        return Selection(304)
    whole = Selection(200, 0, stat.size)
    match = _RANGE.fullmatch(headers.get("range", ""))
    if not ranges or match is None or not _same_as_before(headers, stat):
        return whole
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, stat.size - int(suffix)), stat.size
    else:
        start, end = int(first), min(stat.size, int(last) + 1) if last else stat.size
        if last and int(last) < start:
            return whole
    if start >= stat.size:
        return Selection(416)
    return Selection(206, start, end - start)


def http_date(seconds: float) -> str:
    """Seconds since the epoch as HTTP writes a date."""
    return _http_date(int(seconds))


@lru_cache
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _expected(headers: Headers, stat: Stat) -> bool:
    if "if-match" in headers:
        return _lists(headers.getlist("if-match"), stat, weak=False)
    since = _date(headers.get("if-unmodified-since"))
    return since is None or int(stat.modified) <= since


def _known(headers: Headers, stat: Stat) -> bool:
    if "if-none-match" in headers:
        return _lists(headers.getlist("if-none-match"), stat, weak=True)
    since = _date(headers.get("if-modified-since"))
    return since is not None and int(stat.modified) <= since


def _same_as_before(headers: Headers, stat: Stat) -> bool:
    """Whether If-Range, if given, names this object. A date has no say: seconds are too coarse."""
    return headers.get("if-range", f'"{stat.etag}"') == f'"{stat.etag}"'


def _lists(values: list[str], stat: Stat, *, weak: bool) -> bool:
    """Whether one of the entity tags, or `*`, is the object's."""
    tags = [tag.strip() for value in values for tag in value.split(",")]
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return "*" in tags or f'"{stat.etag}"' in tags


def _date(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
