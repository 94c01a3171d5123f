"""How this package reads from the database, or writes to it."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Reads(Protocol):
    """Runs a function of a store in a thread, with a connection."""

    def __call__(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]: ...
