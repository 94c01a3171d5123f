"""Pairs of key and value, which tags and params of all resources are."""

from msgspec import Struct


class KeyValue(Struct, gc=False):
    """A tag or param; a missing key or value counts as an empty one."""

    key: str = ""
    value: str = ""
