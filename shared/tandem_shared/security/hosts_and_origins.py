"""Checks of Host and Origin, and security headers, against DNS rebinding, CSRF and framing.

The rules are those of MLflow's server:

- The Host header must be on the allow-list. Without a list, localhost and private addresses pass.
- A page of another origin may change nothing unless its origin is allowed.

Beyond MLflow's rules, pages that this server served under a name of the allow-list may change
things: the web UI needs no further setting. A search by POST changes nothing, so it passes for
every origin, as a GET does. CORS keeps foreign pages from sending one: JSON needs a preflight.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem_shared.errors import PermissionDenied
from tandem_shared.http.exchange import Exchange, Header, request_header, with_headers
from tandem_shared.http.router import error_response
from tandem_shared.security.own_page import HOST, is_same_host, wildcard
from tandem_shared.settings import CommonSettings

ALWAYS_ANSWERED = ("/health", "/ready", "/version", "/metrics")
"""Paths without a check of the Host header: probes and scrapes use a pod's address."""

_LOCAL_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_SHOWN = 100
"""The most characters of a header that an error repeats."""
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def secure(
    app: ASGIApp,
    settings: CommonSettings,
    *,
    framed: str | None = None,
    reads: Collection[str] = (),
) -> ASGIApp:
    """Wrap an application in the checks and headers that the settings ask for.

    `framed`: the path below which pages of any origin may show answers in a frame.
    `reads`: the paths whose POST changes nothing, and takes JSON alone.
    """
    if settings.disable_security_middleware:
        return app
    origins = settings.cors_allowed_origins or ()
    if "*" in origins:
        # Without credentials: browsers refuse them together with `*`.
        cors = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=["*"],
        )
    else:
        cors = CORSMiddleware(
            app,
            allow_origin_regex=_origin_pattern(origins),
            allow_credentials=True,
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=["Content-Disposition", "Content-Range", "ETag", "X-Request-Id"],
        )
    return HostOriginMiddleware(cors, settings, framed, reads=reads, without_origin=app)


class HostOriginMiddleware:
    """ASGI middleware that checks Host and Origin and adds the security headers."""

    def __init__(
        self,
        app: ASGIApp,
        settings: CommonSettings,
        framed: str | None = None,
        *,
        reads: Collection[str] = (),
        without_origin: ASGIApp | None = None,
    ) -> None:
        """`without_origin`: the application without the CORS layer, for requests without Origin."""
        self._app = app
        self._without_origin = without_origin or app
        self._framed = None if framed is None else settings.static_prefix + framed
        hosts = settings.allowed_hosts
        self._any_host = "*" in (hosts or ())
        self._hosts = None if hosts is None else _any_of(hosts)
        # A pattern of wildcards alone names no host, so it cannot tell DNS rebinding.
        named = tuple(host for host in hosts or () if host.partition(":")[0].strip("*."))
        self._named_hosts = None if hosts is None else _any_of(named)
        self._reads = frozenset(reads)
        self._always_answered = frozenset(settings.static_prefix + p for p in ALWAYS_ANSWERED)
        origins = settings.cors_allowed_origins or ()
        self._any_origin = "*" in origins
        self._origins = re.compile(_origin_pattern(origins))
        frame = settings.x_frame_options.upper()
        self._framed_headers = [(b"x-content-type-options", b"nosniff")]
        self._headers = list(self._framed_headers)
        if frame != "NONE":
            self._headers.append((b"x-frame-options", frame.encode("ascii")))
        # The same few hosts come with every request; the bound keeps strangers from filling memory.
        self._host_allowed = lru_cache(maxsize=256)(lambda host: _is_any_of(host, self._hosts))
        self._same_origin = lru_cache(maxsize=256)(self._check_same_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        framed = self._framed is not None and scope["path"].startswith(self._framed)
        headers = self._framed_headers if framed else self._headers
        origin = request_header(scope, b"origin")

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = headers if origin else [*headers, _varying(message["headers"])]
                message["headers"] = with_headers(message["headers"], own)
            await send(message)

        if error := self._refusal(scope, origin):
            await Exchange(receive, send_secured).refuse(error_response(error), scope)
        else:
            app = self._app if origin else self._without_origin
            await app(scope, receive, send_secured)

    def _refusal(self, scope: Scope, origin: str) -> PermissionDenied | None:
        if not self._any_host and scope["path"] not in self._always_answered:
            host = request_header(scope, b"host")
            if not self._host_allowed(host):
                return PermissionDenied(
                    f"Invalid Host header: this server does not accept '{_short(host)}'. Its "
                    "--allowed-hosts must name it, or the proxy pass the browser's Host on."
                )
        if origin and scope["method"] in _CHANGING and not self._any_origin:
            if not self._origins.fullmatch(origin) and not self._only_reads(scope):
                # Browsers send Sec-Fetch-Site over TLS only.
                site = request_header(scope, b"sec-fetch-site", "same-origin")
                host = request_header(scope, b"host")
                if site != "same-origin" or not self._same_origin(origin, host):
                    return PermissionDenied(
                        "Cross-origin request blocked: pages of this origin may not change "
                        f"anything here. Origin is '{_short(origin)}', Host is '{_short(host)}': "
                        "does the proxy pass the browser's Host on? For the server's own web UI "
                        "both are one host, which --allowed-hosts names ('*' does not); pages of "
                        "other hosts are named in --cors-allowed-origins."
                    )
        return None

    def _only_reads(self, scope: Scope) -> bool:
        return scope["method"] == "POST" and scope["path"] in self._reads

    def _check_same_origin(self, origin: str, host: str) -> bool:
        """Whether a page comes from this server itself, under an address or a name of the list.

        DNS rebinding cannot move an address.
        """
        asked = HOST.fullmatch(host.lower())
        if asked is None:
            return False
        if not _is_address(asked["name"]) and not _is_any_of(host, self._named_hosts):
            return False
        return is_same_host(origin, host)


def _short(header: str) -> str:
    return header if len(header) <= _SHOWN else f"{header[:_SHOWN]}…"


def _varying(headers: Iterable[Header]) -> Header:
    """`Vary` with `Origin`: a cache must not give one page the answer to another."""
    names = [value for name, value in headers if name == b"vary"]
    return b"vary", b", ".join([*names, b"Origin"])


def _is_any_of(host: str, hosts: re.Pattern[str] | None) -> bool:
    """Whether a Host header matches the pattern; without one, whether it is local or private."""
    parts = HOST.fullmatch(host.lower())
    if parts is None:
        return False
    if hosts is None:
        return _is_local(parts["name"].strip("[]"))
    return any(hosts.fullmatch(given) for given in parts.group(0, "name"))


def _any_of(hosts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(wildcard(host.lower()) for host in hosts))


def _origin_pattern(origins: tuple[str, ...]) -> str:
    return "|".join([_LOCAL_ORIGIN, *map(wildcard, origins)])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_local(name: str) -> bool:
    if name == "localhost":
        return True
    if not _is_address(name):
        return False
    address = ipaddress.ip_address(name)
    return address.is_loopback or address.is_private or address.is_unspecified
