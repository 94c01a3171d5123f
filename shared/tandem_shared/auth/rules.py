"""What a route asks of whoever calls it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route asks; each route has one, and docs/security.md shows its text.

    A service adds rules of its own that look at the request as well.
    """

    text: str
    public: bool = False
    """Whether it is for anyone, without credentials."""
    admin: bool = False
    """Whether it is for administrators alone."""


PUBLIC: Final = Rule("anyone", public=True)
SIGNED_IN: Final = Rule("any user")
ADMIN: Final = Rule("administrators", admin=True)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request."""

    name: str
    admin: bool = False
    read_only: bool = False
    """Whether his credentials permit nothing but reading."""


PRINCIPAL: Final = "tandem.principal"
"""Scope key of the Principal; missing where nobody is authenticated."""

Guard = Callable[[Scope, Rule, bool], Awaitable[None]]
"""Admits a request, or raises ApiError: called before a route that is not public handles it.

Its arguments are the scope, where it leaves the PRINCIPAL, the route's rule, and whether the
request changes something.
"""
