"""Lists and fetches artifacts through the artifacts service, for callers that know only this host.

Where a run's artifacts are is chosen by whoever created its experiment, so a location is followed
only to the hosts of an allow-list, and redirects never.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import httpx
import msgspec
from msgspec import Struct

from tandem_metadata.settings import Settings
from tandem_shared import paths
from tandem_shared.errors import (
    ApiError,
    InvalidParameter,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from tandem_shared.logs import REQUEST_ID

ENDPOINT = "/api/2.0/mlflow-artifacts/artifacts"
"""Where an artifacts service has its files; MLflow's path."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONNECTIONS = 64
_HEADER_ENCODING = "latin-1"  # Starlette's: bytes go through this service as they came


class FileInfo(Struct, omit_defaults=True):
    """One entry of a listing; `path` is relative to the artifact root."""

    path: str
    is_dir: bool
    file_size: int | None = None


class _Listing(Struct):
    files: list[FileInfo] = []


@dataclass(frozen=True, slots=True)
class Location:
    """An artifact root that this service may follow."""

    base: str
    """URL of the artifacts service, up to and with `ENDPOINT`."""
    root: str
    """Path of the artifact root below it; "" for all."""

    def url(self, path: str) -> str:
        """The URL of one artifact below the root."""
        full = paths.check(f"{self.root}/{path}" if self.root else path)
        return f"{self.base}/{quote(full)}"


class ArtifactClient:
    """Calls the artifacts service over one pool of connections."""

    def __init__(self, settings: Settings) -> None:
        self._scheme = settings.artifacts_scheme
        self._own_url = settings.artifacts_url.rstrip("/") if settings.artifacts_url else None
        self._default_host = _host_of(settings.default_artifact_root or "")
        allowed = settings.artifact_hosts
        self._allowed = frozenset(
            host.lower() for host in (allowed if allowed is not None else (self._default_host,))
        )
        timeout = httpx.Timeout(settings.artifacts_timeout)
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._http = httpx.AsyncClient(
            timeout=timeout, limits=limits, follow_redirects=False, trust_env=False
        )

    def locate(self, artifact_uri: str) -> Location:
        """Where an artifact URI leads.

        Takes `mlflow-artifacts:/path`, `mlflow-artifacts://host[:port]/path` and
        `http(s)://host[:port]/api/2.0/mlflow-artifacts/artifacts/path`. Raises InvalidParameter for
        other locations, and PermissionDenied for hosts that are not on the allow-list.
        """
        try:
            parts = urlsplit(artifact_uri)
        except ValueError:
            raise InvalidParameter("The location of these artifacts is not a URI.") from None
        host = _host_of(artifact_uri) if parts.netloc else self._default_host
        if parts.scheme == "mlflow-artifacts":
            root, scheme = parts.path, self._scheme
        elif parts.scheme in ("http", "https") and (parts.path + "/").startswith(ENDPOINT + "/"):
            root, scheme = parts.path.removeprefix(ENDPOINT), parts.scheme
        else:
            start = f"begins with '{parts.scheme}:'" if parts.scheme else "is a path"
            raise InvalidParameter(
                f"These artifacts are not kept by an artifacts service: their location {start}; "
                "it would begin with 'mlflow-artifacts:'. Read them with the MLflow client."
            )
        if not host or host not in self._allowed:
            raise PermissionDenied(
                "The artifacts are on a host that this server does not follow; "
                "the server's --artifact-hosts must name it."
            )
        base = f"{scheme}://{host}"
        if self._own_url and host == self._default_host:
            base = self._own_url
        return Location(base + ENDPOINT, paths.check_optional(unquote(root).strip("/")))

    async def list(
        self, location: Location, path: str, headers: Mapping[str, str]
    ) -> list[FileInfo]:
        """Entries one level below `path`, each with its path from the artifact root.

        Raises as the artifacts service answers: InvalidParameter, NotFound, PermissionDenied, or
        Unavailable when it does not answer.
        """
        below = "/".join(part for part in (location.root, path) if part)
        params = {"path": below} if below else {}
        try:
            response = await self._http.get(
                location.base, params=params, headers=_with_request_id(headers)
            )
        except httpx.HTTPError as error:
            raise _unreachable() from error
        if response.status_code != httpx.codes.OK:
            raise _refusal(response.status_code, path)
        try:
            files = msgspec.json.decode(response.content, type=_Listing).files
        except msgspec.DecodeError as error:
            raise Unavailable("The artifacts service answered with something else.") from error
        for file in files:
            file.path = f"{path}/{file.path}" if path else file.path
        return files

    async def open(
        self, location: Location, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        """Begin to fetch an artifact; the caller streams the body and closes the response.

        Partial, not-modified and redirect answers come back as they are. Raises as `list` does.
        """
        request = self._http.build_request(
            "GET", location.url(path), headers=_with_request_id(headers)
        )
        try:
            response = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _unreachable() from error
        if response.status_code >= 400 and response.status_code != 416:
            await response.aclose()
            raise _refusal(response.status_code, path)
        response.headers.encoding = _HEADER_ENCODING
        return response

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


def _host_of(uri: str) -> str:
    """`host` or `host:port` of a URI in lower case, without its scheme's default port."""
    parts = urlsplit(uri)
    try:
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if ":" in name:
        name = f"[{name}]"
    if port is None or port == _DEFAULT_PORTS.get(parts.scheme):
        return name
    return f"{name}:{port}"


def _with_request_id(headers: Mapping[str, str]) -> httpx.Headers:
    own = {"X-Request-Id": REQUEST_ID.get(), "Accept-Encoding": "identity"}
    return httpx.Headers({**headers, **own}, encoding=_HEADER_ENCODING)


def _unreachable() -> Unavailable:
    return Unavailable("The artifacts service does not answer; try again later.")


def _refusal(status: int, path: str) -> ApiError:
    if status == httpx.codes.NOT_FOUND:
        return NotFound(f"No artifact has the path '{path}'.")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return PermissionDenied("The artifacts service refuses this request.", status=status)
    if status == httpx.codes.BAD_REQUEST:
        return InvalidParameter(f"'{path}' is not the path of a file among the artifacts.")
    return Unavailable(f"The artifacts service answered with HTTP status {status}.")
