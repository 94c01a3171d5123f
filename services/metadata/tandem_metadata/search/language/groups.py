"""How comparisons are joined: by AND and OR, to any depth.

A filter is a list of parts, of which all must hold. A part is a comparison or a group. NOT is none
of its own: the parser moves it down to the comparisons.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Leaf = TypeVar("Leaf")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Group(Generic[Leaf]):
    """Two or more parts, of which any must hold, or all. Groups of one kind are never nested."""

    any: bool
    parts: "tuple[Leaf | Group[Leaf], ...]"


def joined(parts: "Sequence[Leaf | Group[Leaf]]", *, any: bool) -> "Leaf | Group[Leaf]":
    """One part of some, without a needless level; there must be at least one."""
    flat: list[Leaf | Group[Leaf]] = []
    for part in parts:
        flat += part.parts if isinstance(part, Group) and part.any == any else [part]
    return flat[0] if len(flat) == 1 else Group(any, tuple(flat))


def leaves(parts: "Sequence[Leaf | Group[Leaf]]") -> Iterator[Leaf]:
    """The comparisons of some parts, in the order of the text."""
    for part in parts:
        if isinstance(part, Group):
            yield from leaves(part.parts)
        else:
            yield part


def mapped(
    parts: "Sequence[Leaf | Group[Leaf]]", change: Callable[[Leaf], Other]
) -> "tuple[Other | Group[Other], ...]":
    """The same structure of other leaves, which are made in the order of the text."""
    return tuple(
        Group(part.any, mapped(part.parts, change)) if isinstance(part, Group) else change(part)
        for part in parts
    )
