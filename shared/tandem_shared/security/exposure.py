"""Where a service that authenticates nobody is reached: on loopback alone, unless it is told.

`serve` refuses another address. An ASGI server that calls the factory itself chooses the address
without telling, so each request is looked at for the address that it came to.
"""

import ipaddress
import logging
import socket
import time
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem_shared.errors import PermissionDenied
from tandem_shared.http.exchange import Exchange
from tandem_shared.http.router import error_response
from tandem_shared.settings import CommonSettings, SettingsError

REPEATED_SECONDS: Final = 3600.0
"""How often the log repeats that nobody is authenticated."""

_CHOICE: Final = (
    "turn authentication on by --auth, or give --insecure-no-auth (TANDEM_INSECURE_NO_AUTH) where "
    "something else authenticates"
)
_OPEN: Final = (
    "nobody is authenticated on %s: whoever reaches it may read, change and delete everything "
    "(--insecure-no-auth)"
)
_REFUSED: Final = f"requests to %s are refused, since nobody is authenticated: {_CHOICE}"
_log = logging.getLogger("tandem.auth")


def check(settings: CommonSettings, host: str) -> None:
    """Raise SettingsError if strangers would reach a service that authenticates nobody there."""
    if _knows_clients(settings) or settings.insecure_no_auth or _is_loopback(host):
        return
    raise SettingsError(
        f"The address {host} can be reached by others, and nobody is authenticated: {_CHOICE}, or "
        "listen on 127.0.0.1 (--host)."
    )


def warn(settings: CommonSettings, host: str) -> None:
    """Log that strangers may do everything, if they may on this address."""
    if settings.insecure_no_auth and not is_local(host):
        _log.warning(_OPEN, host)


def guard(app: ASGIApp, settings: CommonSettings) -> ASGIApp:
    """Wrap an application that authenticates nobody in the check of addresses, or in warnings."""
    return app if _knows_clients(settings) else _Exposure(app, settings.insecure_no_auth)


def _knows_clients(settings: CommonSettings) -> bool:
    """Whether requests need credentials, or connections a certificate."""
    certified = settings.tls_client_ca is not None and settings.tls_client_auth != "optional"
    return settings.authenticates or certified


class _Exposure:
    """Looks at the address that each request came to, as far as the ASGI server tells it."""

    def __init__(self, app: ASGIApp, insecure: bool) -> None:
        self._app = app
        self._insecure = insecure
        # `run` has warned at the start.
        self._due = time.monotonic() + REPEATED_SECONDS if insecure else 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope.get("server")
        if server and not is_local(server[0]):
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + REPEATED_SECONDS
                _log.warning(_OPEN if self._insecure else _REFUSED, server[0])
            if not self._insecure:
                await _refuse(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await send({"type": "websocket.close"})
        return
    error = PermissionDenied(
        "Permission denied: this service authenticates nobody, and so answers on loopback "
        f"addresses only. Its operator has to {_CHOICE}."
    )
    await Exchange(receive, send).refuse(error_response(error), scope)


@lru_cache(maxsize=256)
def is_local(host: str) -> bool:
    """Whether an address is of loopback, or of no network, as the path of a socket is."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _is_loopback(host: str) -> bool:
    """Whether a host to listen on is of loopback, be it an address or a name."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return True  # It cannot be listened on, and the attempt says why.
    return all(is_local(str(address[0]).partition("%")[0]) for *_, address in found)
