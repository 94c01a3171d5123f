"""Proxies that tell in a header whom they have authenticated, and who of them is believed."""

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from tandem_shared.auth.settings import SenderSettings
from tandem_shared.errors import Unauthenticated

UNTRUSTED: Final = "is believed of"
"""Part of what is answered to a header of somebody who may not send it: a fault of the set-up where
it is a service that gets this answer."""


class Proxies:
    """Proxies whose header is believed: those whose address is in one of the networks."""

    def __init__(self, header: str, networks: Collection[str]) -> None:
        self.header = header
        self._name = header.lower().encode("latin-1")
        self._networks = [ipaddress.ip_network(each) for each in networks]
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)

    @classmethod
    def of(cls, settings: SenderSettings) -> "Proxies | None":
        """Those that settings name which have been checked; None for none."""
        if settings.sender_header is None:
            return None
        return cls(settings.sender_header, settings.auth_trusted_proxies or ())

    def told(self, scope: Scope, *, trusted: bool = False) -> bytes | None:
        """What a trusted proxy has put into the header; None without one, and for an empty one.

        Some proxies send an empty one for clients that have not proven themselves: these may have
        a token.

        `trusted`: whether the sender has proven otherwise that it is one. Raises Unauthenticated
        for the header of anybody else, who may claim to be anyone, and for several of them.
        """
        given: list[bytes] = [value for name, value in scope["headers"] if name == self._name]
        if not given:
            return None
        client = scope.get("client")
        if not trusted and (client is None or not self._is_trusted(client[0])):
            raise Unauthenticated(
                f"The header {self.header} {UNTRUSTED} trusted proxies alone, and this request "
                "does not come from one (--auth-trusted-proxies)."
            )
        if len(given) > 1:
            raise Unauthenticated(
                f"The header {self.header} is given several times: the proxy must remove that of "
                "its clients."
            )
        return given[0].strip() or None

    def _look_up(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:  # a Unix socket has a path
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)
