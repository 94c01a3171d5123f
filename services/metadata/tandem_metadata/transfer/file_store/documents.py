"""The YAML files of a file store, and the fields in them."""

import os
import time
from collections.abc import Mapping
from typing import Any, Final

import yaml

from tandem_metadata.transfer.file_store.files import Unreadable, decoded, read

META: Final = "meta.yaml"

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST: Final = 50
_SUSPICIOUS: Final = 500
"""Brackets from which on the depth of a document is looked at before it is loaded.

LibYAML's binding composes nodes by recursion in C, which no limit of Python's stops.
"""
_FRESH: Final = 5.0
"""Seconds in which a file that gives nothing may be one that is being written."""
_ATTEMPTS: Final = 4
_PAUSE: Final = 0.05
_INT64: Final = 2**63

Document = dict[str, Any]


def load(path: str) -> Document:
    """The mapping that a file holds; raises Unreadable.

    MLflow truncates a run's file before it writes it again. One that gives nothing and was written
    just now is read again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _parsed(read(path))
        except Unreadable:
            if attempt == _ATTEMPTS or not _is_fresh(path):
                raise
        time.sleep(_PAUSE * attempt)
    raise AssertionError  # the last attempt returns or raises


def _is_fresh(path: str) -> bool:
    try:
        return abs(time.time() - os.stat(path).st_mtime) < _FRESH
    except OSError:
        return False


def _parsed(raw: bytes) -> Document:
    if not raw.strip():
        raise Unreadable("it is empty")
    try:
        if raw.count(b"[") + raw.count(b"{") > _SUSPICIOUS:
            _check_depth(raw)
        document = yaml.load(raw, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise Unreadable(f"it is no YAML: {_first_line(error)}") from None
    if not isinstance(document, dict):
        raise Unreadable("it holds no mapping of names to values")
    return document


def _check_depth(raw: bytes) -> None:
    depth = 0
    for event in yaml.parse(raw, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"it is nested more than {_DEEPEST} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _first_line(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark else str(problem)


def text(document: Mapping[str, Any], *names: str) -> str | None:
    """The first field of these names that is there and not null, as a text."""
    for name in names:
        value = document.get(name)
        if value is not None and not isinstance(value, dict | list):
            return clean(value if isinstance(value, str) else str(value))
    return None


def clean(value: str) -> str:
    """A text as databases can store it: without NUL, and without halves of characters."""
    if "\0" not in value and value.isascii():
        return value
    return decoded(value.encode("utf-8", "surrogatepass"))[0]


def integer(document: Mapping[str, Any], *names: str) -> int | None:
    """The first field of these names that is an integer of 64 bits, be it written as a text."""
    for name in names:
        value = document.get(name)
        if isinstance(value, bool) or value is None:
            continue
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            continue
        if -_INT64 <= number < _INT64:
            return number
    return None


def mapping(document: Mapping[str, Any], name: str) -> dict[str, str]:
    """A field that maps names to texts; empty if it is none."""
    value = document.get(name)
    if not isinstance(value, dict):
        return {}
    return {clean(str(key)): clean(str(each)) for key, each in value.items() if each is not None}
