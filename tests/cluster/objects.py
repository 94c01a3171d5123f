"""Rendered Kubernetes objects as they are, and the refusal of one that is beyond the stand-in."""

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


class Unsupported(Exception):
    """The manifests ask for something that the stand-in does not do."""


def name_of(each: Object) -> str:
    """The name in an object's metadata."""
    name: str = each["metadata"]["name"]
    return name
