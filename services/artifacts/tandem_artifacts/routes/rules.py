"""What routes ask of whoever calls them, by the artifact that the path names."""

from dataclasses import dataclass
from typing import Final

from tandem_shared.auth.rules import Rule


@dataclass(frozen=True, slots=True)
class PathRule(Rule):
    """A rule for the artifact that the request names."""

    action: str = "read"
    """`read`, `write` or `delete`."""


READ: Final = PathRule("READ on what the artifact belongs to", action="read")
WRITE: Final = PathRule("EDIT on what the artifact belongs to", action="write")
DELETE: Final = PathRule("MANAGE on all that the path belongs to or holds", action="delete")
