"""What both ASGI servers are told, and which versions of them are known to do it."""

import importlib.metadata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.types import ASGIApp

from tandem_shared.serving.listener import Listener
from tandem_shared.settings import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Bounds of connections; times are in seconds."""

    graceful_timeout: float
    """What requests get to end after the stop, before `run` cancels them."""
    clean_up_timeout: float
    """What cancelled requests get on top, to leave nothing behind."""
    first_request_timeout: float
    """How long a new connection may take to send the head of its first request."""
    keep_alive_timeout: float
    """How long a connection may be idle after a request."""
    backlog: int
    h2c: bool = False
    """Whether clients may speak HTTP/2 in clear text; Hypercorn alone can."""
    probes: Listener | None = None
    """A second socket to serve on, which shares its connections with the first."""


class Server(Protocol):
    """A module of this package that serves by one ASGI server."""

    async def serve(
        self,
        app: ASGIApp,
        listener: Listener,
        options: ServerOptions,
        *,
        until: Callable[[], Awaitable[None]],
    ) -> None:
        """Serve on a listening socket until `until()` returns, then finish what is in flight.

        Idle connections close at the stop. Connections whose clients do not read what is left are
        aborted within `graceful_timeout + clean_up_timeout`.
        """


def require_version(distribution: str, supported: str) -> None:
    """Refuse a library whose undocumented parts may have changed.

    `supported` is the beginning of a version, such as "0.18.". Raises SettingsError, naming both
    versions, when another one is installed.
    """
    installed = importlib.metadata.version(distribution)
    if not installed.startswith(supported):
        raise SettingsError(
            f"{distribution} {installed} is installed, but Tandem works with {supported}* alone, "
            f"whose undocumented parts it uses: pip install '{distribution}=={supported}*'."
        )
