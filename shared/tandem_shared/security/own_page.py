"""Whether a page of the service itself has sent a request: what a browser's own headers tell."""

import re
from typing import Final

from starlette.types import Scope

from tandem_shared.http.exchange import request_header

REFUSAL: Final = (
    "Permission denied: a browser's request that changes something must come from a page of this "
    "server, as its Origin or Sec-Fetch-Site header says. Programs send a token; other pages are "
    "named in --cors-allowed-origins."
)
"""The refusal of changes by what browsers send on their own."""

HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s\[\]:/?#@\\]+)(?P<port>:[0-9]+)?")
"""A Host header in lower case."""

_ORIGIN: Final = re.compile(rf"(?P<scheme>https?)://{HOST.pattern}")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class OwnPage:
    """The pages of this very host and port, and those that an operator has named.

    The checks of all requests let pages of this machine pass too, as MLflow does. Here they count
    as foreign: cookies, certificates and addresses know no port.
    """

    def __init__(self, named: tuple[str, ...] = ()) -> None:
        """`named` are origins with `*` as a wildcard; `*` alone names none."""
        self._named = [re.compile(wildcard(each)) for each in named if each != "*"]

    def is_sender(self, scope: Scope, *, programs: bool) -> bool:
        """Whether such a page sends a change, or a program if `programs` may.

        No page can set these headers. Sec-Fetch-Site, which browsers send over TLS and to this
        machine, decides where it is there, else Origin does, which all send with requests that may
        change something. Programs send neither.
        """
        origin = request_header(scope, b"origin")
        site = request_header(scope, b"sec-fetch-site")
        if not origin and not site:
            return programs
        if site == "same-origin" or any(each.fullmatch(origin) for each in self._named):
            return True
        return not site and is_same_host(origin, request_header(scope, b"host"))


def is_same_host(origin: str, host: str) -> bool:
    """Whether an Origin header and a Host header mean one host and port.

    The scheme is not compared: behind a proxy that ends TLS, ours differs from the browser's. A
    missing port is the default of the page's scheme.
    """
    page, asked = _ORIGIN.fullmatch(origin.lower()), HOST.fullmatch(host.lower())
    if page is None or asked is None:
        return False
    default = _DEFAULT_PORTS[page["scheme"]]
    return (page["name"], page["port"] or default) == (asked["name"], asked["port"] or default)


def wildcard(text: str) -> str:
    """A pattern in which only `*` is special, since an IPv6 address has brackets."""
    return re.escape(text).replace(r"\*", "[^/]*")
