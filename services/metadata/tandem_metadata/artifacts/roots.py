"""Resolves artifact URIs to an allowed artifacts service and a path on it.

Any client that creates an experiment chooses its artifact location. A URI therefore only selects
one of the addresses that the settings allow; it never supplies an address (SSRF).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from tandem_metadata.settings import Settings
from tandem_shared import paths
from tandem_shared.errors import ApiError, InvalidParameter, PermissionDenied
from tandem_shared.http import artifact_headers
from tandem_shared.settings import SettingsError, without_credentials

ENDPOINT = artifact_headers.ARTIFACTS

_PORTS = {"http": 80, "https": 443}
_FOLLOWED = ("mlflow-artifacts", *_PORTS)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s\[\]:/?#@\\]+)(:[0-9]{1,5})?")
_REDIRECT = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+)?(/[A-Za-z0-9._~/-]*)?")

_Host = tuple[str, int | None]
"""Host name in lower case and port; the port is None if it is the scheme's default."""

_Root = tuple[str, str, tuple[str, ...]]
"""Scheme, authority and path segments of a root that clients write to directly."""


@dataclass(frozen=True, slots=True)
class Location:
    """An artifact root on an allowed artifacts service."""

    base: str
    """URL of the artifacts service up to and including `ENDPOINT`."""
    root: str
    """Path of the artifact root below `base`; "" for the whole destination."""
    host: str = ""
    """`host` or `host:port` if browsers use the same address; "" if `base` is internal."""
    redirect: str | None = None
    """`base` as browsers reach it, if they are redirected there; None to relay."""

    def url(self, path: str) -> str:
        """The URL of an artifact; raises InvalidParameter for an unsafe `path`."""
        return self._below(self.base, path)

    def redirect_url(self, path: str) -> str | None:
        """The URL to redirect a browser to; None to relay the artifact."""
        return self._below(self.redirect, path) if self.redirect is not None else None

    def canonical(self, path: str) -> str:
        """The path of an artifact on the artifacts service, by which that guards it."""
        return paths.canonical_optional("/".join(part for part in (self.root, path) if part))

    def _below(self, base: str, path: str) -> str:
        full = paths.check(f"{self.root}/{path}" if self.root else path)
        return f"{base}/{quote(full)}"


class Roots:
    """The artifact locations that the settings allow."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError for settings about artifacts that cannot work."""
        self._scheme = settings.scheme_of_artifacts()
        # Clients prefix the tracking URI's path, also when artifacts are on another host.
        self._endpoint = settings.static_prefix + ENDPOINT
        self._own_url = _base(settings.artifacts_url)
        self._redirect = _redirect_base(settings.redirect_artifacts_to)
        self.default_root = settings.default_artifact_root or ""
        """The location below which experiments keep their artifacts that are given none."""
        self._default = self._host_of(self.default_root)
        self.public = _public(settings.default_artifact_root or "")
        """The artifacts service's public address, as `//host` or `https://host`, if known."""
        hosts = settings.artifact_hosts
        self._allowed = (
            frozenset({self._default} if self._default else ())
            if hosts is None
            else frozenset(_split(host) for host in hosts)
        )
        self._mapped: dict[_Root, Location] = {}
        for root, target in _mapped_roots(settings.artifact_root_map or ()):
            self._mapped[root] = self._target(target)

    def locate(self, artifact_uri: str) -> Location:
        """Resolve an artifact URI.

        Accepts `mlflow-artifacts:/path`, `mlflow-artifacts://host[:port]/path`,
        `http(s)://host[:port]/api/2.0/mlflow-artifacts/artifacts/path` with or without
        `--static-prefix`, and URIs at or below a root of `--artifact-root-map`. Raises
        InvalidParameter for other locations, and PermissionDenied for hosts not on the allow-list.
        """
        try:
            parts = urlsplit(artifact_uri)
        except ValueError:
            raise InvalidParameter("The location of these artifacts is not a URI.") from None
        scheme, endpoint = self._scheme, self._endpoint
        if parts.scheme == "mlflow-artifacts":
            root = parts.path
        elif parts.scheme in _PORTS and (found := self._endpoint_of(parts.path)):
            root, scheme, endpoint = parts.path.removeprefix(found), parts.scheme, found
        elif mapped := self._map(artifact_uri):
            return mapped
        else:
            start = f"begins with '{parts.scheme}:'" if parts.scheme else "is a path"
            raise InvalidParameter(
                f"These artifacts are not kept by an artifacts service: their location {start}; "
                "it would begin with 'mlflow-artifacts:'. Read them with the MLflow client, or let "
                "the server's --artifact-root-map lead from there to an artifacts service."
            )
        host = self._host_of(artifact_uri) if parts.netloc else self._default
        path = paths.check_optional(unquote(root).strip("/"))
        location = self._location(host, scheme, endpoint, path, named=bool(parts.netloc))
        if location is None:
            raise PermissionDenied(_refusal(artifact_uri))
        return location

    def path_of(self, location: str) -> str | None:
        """The canonical path that a location has on an artifacts service; None for one elsewhere.

        Locations without a host count, be the service's address known or not.
        """
        try:
            return paths.canonical_optional(self.locate(location).root)
        except PermissionDenied:
            return None if urlsplit(location).netloc else self.claimed(location)
        except InvalidParameter:
            return None

    def claimed(self, location: str) -> str | None:
        """As `path_of`, whatever the host: the settings may follow it some day."""
        try:
            parts = urlsplit(location)
            if parts.scheme == "mlflow-artifacts":
                root = parts.path
            elif parts.scheme in _PORTS and (found := self._endpoint_of(parts.path)):
                root = parts.path.removeprefix(found)
            else:
                mapped = self._map(location)
                return None if mapped is None else paths.canonical_optional(mapped.root)
            return paths.canonical_optional(unquote(root).strip("/"))
        except (ValueError, InvalidParameter):
            return None

    def _endpoint_of(self, path: str) -> str | None:
        """The endpoint prefix of an http(s) location's path; None if it has none."""
        for endpoint in (self._endpoint, ENDPOINT):
            if f"{path}/".startswith(f"{endpoint}/"):
                return endpoint
        return None

    def _location(
        self, host: _Host | None, scheme: str, endpoint: str, path: str, *, named: bool
    ) -> Location | None:
        own = host == self._default
        if own and not named and self._own_url is not None:  # the URI named no address
            return Location(self._own_url + ENDPOINT, path, "", self._redirect)
        if host is None or not self._follows(host, scheme):
            return None
        address = host[0] if host[1] is None else f"{host[0]}:{host[1]}"
        redirect = self._redirect if own else None
        if own and self._own_url is not None:
            return Location(self._own_url + ENDPOINT, path, "", redirect)
        return Location(f"{scheme}://{address}{endpoint}", path, address, redirect)

    def _follows(self, host: _Host, scheme: str) -> bool:
        name, port = host
        return host in self._allowed or (name, port or _PORTS[scheme]) in self._allowed

    def _host_of(self, uri: str) -> _Host | None:
        """The host of an artifacts service's location; None if it has none or an invalid one."""
        parts = urlsplit(uri)
        scheme = self._scheme if parts.scheme == "mlflow-artifacts" else parts.scheme
        try:
            name, port = parts.hostname, parts.port
        except ValueError:
            return None
        if not name or scheme not in _PORTS:
            return None
        return f"[{name}]" if ":" in name else name, None if port == _PORTS[scheme] else port

    def _map(self, uri: str) -> Location | None:
        """The target of the longest mapped root at or above the URI; None without one."""
        try:
            scheme, authority, names = _parse(uri)
        except ValueError:
            return None
        for length in range(len(names), -1, -1):
            if target := self._mapped.get((scheme, authority, names[:length])):
                path = paths.check_optional("/".join(names))  # whole: no '..' in any part
                below = "/".join(names[length:]) if path else ""
                root = "/".join(part for part in (target.root, below) if part)
                return Location(target.base, root, target.host, target.redirect)
        return None

    def _target(self, target: str) -> Location:
        try:
            return self.locate(target)
        except ApiError as error:
            raise SettingsError(
                f"--artifact-root-map cannot lead to '{without_credentials(target)}': "
                f"{error.message}"
            ) from None


def _refusal(uri: str) -> str:
    shown = without_credentials(uri)
    host = urlsplit(shown).netloc.rpartition("@")[2]
    if not host:
        return (
            f"The location '{shown}' names no host, and this server knows of no artifacts service: "
            "--default-artifact-root must name one, or --artifacts-url."
        )
    return (
        f"These artifacts are on the host '{host}', by their location '{shown}', which this server "
        "does not follow. If an artifacts service is there, the server's --artifact-hosts must "
        "name it. If it has moved, `tandem-metadata rewrite-artifacts` names the new place in all "
        "locations."
    )


def _public(root: str) -> str | None:
    parts = urlsplit(root)
    host = parts.netloc.rpartition("@")[2]
    if not host or parts.scheme not in _FOLLOWED:
        return None
    return f"{parts.scheme}://{host}" if parts.scheme in _PORTS else f"//{host}"


def _base(url: str | None) -> str | None:
    return url.rstrip("/") if url else None


def _redirect_base(given: str | None) -> str | None:
    if not given:
        return None
    if not _REDIRECT.fullmatch(given) or given.startswith("//") or not _has_host(given):
        raise SettingsError(
            "--redirect-artifacts-to must be the artifacts service's address for browsers, as "
            f"https://artifacts.example.com, or / where one host serves both, not "
            f"'{without_credentials(given)}'."
        )
    return given.rstrip("/") + ENDPOINT


def _has_host(url: str) -> bool:
    """Whether a URL with a scheme has a host and a valid port; true for a plain path."""
    try:
        parts = urlsplit(url)
        return not parts.scheme or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False


def _split(host: str) -> _Host:
    """Host and port of an allow-list entry; raises SettingsError."""
    match = _HOST.fullmatch(host)
    port = int(match[2][1:]) if match and match[2] else None
    if match is None or (port is not None and not 0 < port < 65536):
        shown = without_credentials(host)
        raise SettingsError(f"--artifact-hosts must hold host or host:port, not '{shown}'.")
    return match[1].lower(), port


def _mapped_roots(pairs: tuple[str, ...]) -> Iterator[tuple[_Root, str]]:
    seen = set()
    for pair in pairs:
        given, _, target = pair.rpartition("=")
        try:
            root = _parse(given)
            paths.check_optional("/".join(root[2]))
        except (ValueError, InvalidParameter):
            raise SettingsError(
                "--artifact-root-map must hold pairs such as "
                "s3://bucket/prefix=mlflow-artifacts://artifacts.example.com/prefix; the root of "
                f"'{without_credentials(pair)}' is no place that clients write to directly."
            ) from None
        if root in seen:
            shown = without_credentials(given)
            raise SettingsError(f"--artifact-root-map names the root '{shown}' twice.")
        seen.add(root)
        yield root, target


def _parse(uri: str) -> _Root:
    """Scheme, authority and segments of a location that clients write to directly.

    Paths and `file:` URIs both have the scheme `file`. Only `file:` URIs are percent-decoded, as
    MLflow's clients do. Raises ValueError for any other location.
    """
    if uri.startswith("/"):
        return "file", "", _names(uri)
    parts = urlsplit(uri)
    if not parts.scheme or parts.scheme in _FOLLOWED or parts.query or "#" in uri:
        raise ValueError(uri)
    if parts.scheme == "file":
        if parts.netloc.lower() not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError(uri)
        return "file", "", _names(unquote(parts.path))
    return parts.scheme, parts.netloc, _names(parts.path)


def _names(path: str) -> tuple[str, ...]:
    """The segments of a path. Inner empty segments stay; leading and trailing slashes make none."""
    stripped = path.removeprefix("/").rstrip("/")
    return tuple(stripped.split("/")) if stripped else ()
