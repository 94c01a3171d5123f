"""Users whom a proxy has authenticated, and whose names it puts into a header."""

import ipaddress
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from tandem_shared.errors import Unauthenticated

_LONGEST: Final = 255


class Proxies:
    """Proxies whose header is believed: those whose address is in one of the networks."""

    def __init__(self, header: str, networks: Collection[str]) -> None:
        self._header = header.lower().encode("latin-1")
        self._networks = [ipaddress.ip_network(each) for each in networks]
        self._is_trusted = lru_cache(maxsize=1024)(self._look_up)

    def sender(self, scope: Scope) -> str | None:
        """The name that a trusted proxy has put into the header; None without one.

        Raises Unauthenticated for the header of anybody else, who may claim to be anyone, for
        several of them, and for a name that no user can have.
        """
        given = [value for name, value in scope["headers"] if name == self._header]
        if not given:
            return None
        client = scope.get("client")
        if client is None or not self._is_trusted(client[0]):
            raise Unauthenticated(
                f"The header {self._header.decode('latin-1')} is believed of trusted proxies "
                "alone, and this request does not come from one (--auth-trusted-proxies)."
            )
        if len(given) > 1:
            raise Unauthenticated(
                f"The header {self._header.decode('latin-1')} is given several times: the proxy "
                "must remove that of its clients."
            )
        try:
            name: str = given[0].decode().strip()
        except UnicodeDecodeError:
            name = ""
        if not name or len(name) > _LONGEST or not name.isprintable():
            raise Unauthenticated("The proxy's header holds no name of a user.")
        return name

    def _look_up(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:  # a Unix socket has a path
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)
