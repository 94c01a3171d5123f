"""What routes ask of whoever calls them, by the artifact that the request names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from tandem_artifacts.routes.context import given_path, listed_path
from tandem_shared import paths
from tandem_shared.auth.grants import Action
from tandem_shared.auth.rules import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule(Rule):
    """A rule for the artifact that the request names.

    `stored_path` may find a file under the spelling that the client gave. It belongs to whatever
    its canonical path belongs to, since a location is canonical too.
    """

    action: Action
    path: Callable[[Request], str]
    """The canonical path that the route will use; raises InvalidParameter for an unsafe one."""


def _in_url(request: Request) -> str:
    return paths.canonical(given_path(request))


def _directory_in_url(request: Request) -> str:
    return paths.canonical(given_path(request).removesuffix("/"))


def _in_query(request: Request) -> str:
    path = listed_path(request)
    return paths.canonical(path) if path else ""


CREDENTIALS: Final = Rule("anyone with credentials, which are not looked up: it is an error")
"""Of a path that names nothing; the metadata service need not be asked."""

READ: Final = PathRule("READ on what the artifact belongs to", action=Action.READ, path=_in_url)
LIST: Final = PathRule(
    "READ on what the directory belongs to; administrators above experiments",
    action=Action.READ,
    path=_in_query,
)
WRITE: Final = PathRule("EDIT on what the artifact belongs to", action=Action.WRITE, path=_in_url)
DELETE: Final = PathRule(
    "MANAGE on all that the path belongs to or holds", action=Action.DELETE, path=_directory_in_url
)
