"""Checks the URLs of webhooks and the addresses that their hosts resolve to (SSRF).

Any client that creates a webhook chooses an address that this service connects to from inside its
network. A URL is checked when it is given, so that the client gets a clear error. The address is
checked again at each connection, and that address is used: DNS answers may change in between.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import httpcore
import httpx

from tandem_metadata.settings import Settings
from tandem_metadata.webhooks.public_addresses import is_public
from tandem_shared.concurrency.threads import Threads
from tandem_shared.errors import InvalidParameter

MAX_URL: Final = 500
_NOT_IN_URLS: Final = re.compile(r"[\s\x00-\x20\x7f-\x9f\\]")
"""Characters that RFC 3986 does not allow and that parsers treat differently."""
_RESOLVE_SECONDS: Final = 5.0
_RESOLUTIONS: Final = 32
"""Concurrent DNS look-ups; a thread that waits for a name server cannot be stopped."""


class Forbidden(Exception):
    """The host has an address that the policy forbids."""


class Unresolved(OSError):
    """The host has no address, or the look-up took too long."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The schemes and addresses that the settings allow."""

    schemes: tuple[str, ...]
    allow_private: bool

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy of the service's settings."""
        schemes = settings.webhook_allowed_schemes or ("https",)
        return cls(schemes, settings.webhook_allow_private_ips)


def parse(url: str, policy: Policy) -> httpx.URL:
    """Parse a webhook's URL without resolving its host.

    Raises InvalidParameter for a URL that is not allowed. The error does not repeat the URL, which
    may hold a token.
    """
    if len(url) > MAX_URL:
        raise InvalidParameter(
            f"Parameter 'url' exceeds the maximum length of {MAX_URL} characters: it has "
            f"{len(url)}."
        )
    if not url.strip():
        raise InvalidParameter(
            "Webhook URL cannot be empty or just whitespace; parameter 'url' names the receiver."
        )
    if _NOT_IN_URLS.search(url):
        raise InvalidParameter(
            "Parameter 'url' holds a space, a control character or a backslash; write it as %XX."
        )
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise InvalidParameter("Invalid webhook URL: parameter 'url' does not hold one.") from None
    if parsed.scheme not in policy.schemes:
        accepted = " or ".join(f"{name}://" for name in policy.schemes)
        raise InvalidParameter(
            f"Invalid webhook URL scheme: {parsed.scheme!r}. Parameter 'url' must begin with "
            f"{accepted}; the server's MLFLOW_WEBHOOK_ALLOWED_SCHEMES says what it may begin with."
        )
    if not parsed.raw_host:
        raise InvalidParameter("Webhook URL must include a hostname; parameter 'url' has none.")
    if parsed.userinfo:
        raise InvalidParameter(
            "Parameter 'url' holds a user name or password, which everyone could read who may "
            "list webhooks; let the receiver check the signature by 'secret' instead."
        )
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise InvalidParameter("Parameter 'url' names a port that is not between 1 and 65535.")
    return parsed


async def check(url: str, policy: Policy) -> None:
    """Raise InvalidParameter for a URL that is not allowed or whose host is not."""
    parsed = parse(url, policy)
    if policy.allow_private:
        return
    host = parsed.raw_host.decode("ascii")  # parsed.host fails for an invalid IDNA label
    try:
        await addresses(host, policy)
    except Forbidden:
        raise InvalidParameter(
            f"Webhook URL must not resolve to a non-public IP address: parameter 'url' leads to "
            f"{host}. The server refuses those unless MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS is set."
        ) from None
    except Unresolved as error:
        raise InvalidParameter(f"Invalid webhook URL in parameter 'url': {error}.") from None


async def addresses(host: str, policy: Policy) -> list[str]:
    """The addresses of a host, in the order to try them.

    Raises Unresolved, and Forbidden if any address is not public and the policy requires it.
    """
    found = await _resolve(host)
    if not policy.allow_private and not all(is_public(ipaddress.ip_address(ip)) for ip in found):
        raise Forbidden(f"{host} has an address that is not public.")
    return found


_look_ups = Threads("resolve", _RESOLUTIONS)


async def _resolve(host: str) -> list[str]:
    """In a thread that nothing else needs: a name server may keep it longer than anybody waits."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    if _look_ups.busy == _RESOLUTIONS:
        raise Unresolved("too many hosts are being looked up")
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            return await _look_ups.start(partial(_look_up, host))
    except TimeoutError:
        raise Unresolved(f"the look-up of the host {host} took too long") from None


def _look_up(host: str) -> list[str]:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unresolved(f"the host {host} has no address") from None
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to a host by the addresses that were checked; TLS still verifies the host's name."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect as in httpcore; also raises Forbidden."""
        try:
            found = await addresses(host, self._policy)
        except Unresolved as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in found:
            try:
                return await self._plain.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Sleep as in httpcore."""
        await self._plain.sleep(seconds)
