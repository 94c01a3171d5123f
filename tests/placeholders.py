"""Requests in which `{name}` stands for what a test knows only when it runs."""

from collections.abc import Mapping
from typing import Any


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """A value with others in place of what stands in braces, at any depth."""
    if isinstance(value, Mapping):
        return {name: filled(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, values) for each in value]
    return value.format(**values) if isinstance(value, str) else value
