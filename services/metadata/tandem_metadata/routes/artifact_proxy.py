"""Redirects from the artifact proxy's endpoints to the artifacts service, which serves them.

Databases of MLflow's server hold locations without a host (`mlflow-artifacts:/…`). Clients send
requests for them here, unless the ingress routes these to the artifacts service.
"""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tandem_metadata.access.gate import Gate
from tandem_metadata.artifacts.roots import Roots
from tandem_metadata.routes.relaying import REDIRECTED
from tandem_shared import paths
from tandem_shared.auth.grants import PARAMETER, Action
from tandem_shared.auth.rules import Rule
from tandem_shared.errors import NotSupported
from tandem_shared.http.router import ROUTE, Handler, Route, api_routes

_PROXY = "2.0/mlflow-artifacts"
_READ = {"GET": Action.READ}
_UPLOAD = {"POST": Action.WRITE}
_ENDPOINTS: Final = {
    f"{_PROXY}/artifacts": _READ,
    f"{_PROXY}/artifacts/{{artifact_path:path}}": {
        **_READ,
        "HEAD": Action.READ,
        "PUT": Action.WRITE,
        "DELETE": Action.DELETE,
    },
    f"{_PROXY}/mpu/create/{{artifact_path:path}}": _UPLOAD,
    f"{_PROXY}/mpu/complete/{{artifact_path:path}}": _UPLOAD,
    f"{_PROXY}/mpu/abort/{{artifact_path:path}}": _UPLOAD,
    f"{_PROXY}/presigned/{{artifact_path:path}}": _READ,
}
_RULES: Final = {
    Action.READ: Rule("READ on what the artifact belongs to"),
    Action.WRITE: Rule("EDIT on what the artifact belongs to"),
    Action.DELETE: Rule("MANAGE on all that the path belongs to or holds"),
}
_PAUSE_SECONDS = 60.0
_DEFAULT_PORTS = (":80", ":443")


def routes(roots: Roots, gate: Gate | None = None) -> list[Route]:
    """Redirects to the artifacts service that the settings name to clients; else refusals.

    A refusal is a 501: clients repeat a 503 for minutes before they show it. A redirect carries a
    grant: clients send their credentials to no other host than the one that they called.
    """
    return [
        route
        for path, methods in _ENDPOINTS.items()
        for method, action in methods.items()
        for route in api_routes(method, path, _lead(roots, gate, action), _RULES[action])
    ]


def _lead(roots: Roots, gate: Gate | None, action: Action) -> Handler:
    async def answer(request: Request) -> Response:
        await _drain(request)
        token = await _token(gate, request, action) if gate else None
        if roots.public is None or _would_loop(request, roots.public):
            raise NotSupported(_sentence(request))
        # A location without a scheme keeps the scheme and host prefix of the request.
        path: str = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        own = f"{PARAMETER}={token}" if token else ""
        query = "&".join(part for part in (request.url.query, own) if part)
        location = f"{roots.public}{path}?{query}" if query else roots.public + path
        return Response(status_code=307, headers={"Location": location, **REDIRECTED})

    return answer


async def _token(gate: Gate, request: Request, action: Action) -> str:
    """A grant for the path that the request names.

    Raises PermissionDenied for a path that its sender may not use so, and InvalidParameter for an
    unsafe one.
    """
    # Of several paths in the query the first counts, as for the artifacts service.
    listed = dict(reversed(request.query_params.multi_items())).get("path")
    path = paths.canonical_optional(request.path_params.get("artifact_path", listed))
    await gate.artifact_grant(path, action)
    # Uploads by parts name the folder in the URL, and the file in the body.
    exact = "/mpu/" not in request.scope[ROUTE]
    return await gate.artifacts.token(path, action, exact=exact)


async def _drain(request: Request) -> None:
    """Read the whole body: many clients look for an answer only after it, some break off."""
    body = request.stream()
    try:
        while True:
            async with asyncio.timeout(_PAUSE_SECONDS):
                await anext(body)
    except (StopAsyncIteration, TimeoutError, ClientDisconnect):
        return


def _would_loop(request: Request, public: str) -> bool:
    """Whether the request came by that host: a redirect to it would loop."""
    given = {request.headers.get(name, "") for name in ("host", "x-forwarded-host")}
    return _bare(public.partition("//")[2]) in map(_bare, given)


def _bare(host: str) -> str:
    host = host.lower()
    return host.rpartition(":")[0] if host.endswith(_DEFAULT_PORTS) else host


def _sentence(request: Request) -> str:
    host = request.headers.get("host", "this host")
    return (
        "This is Tandem's metadata service, which keeps no files: a location without a host, as "
        f"'mlflow-artifacts:/…', leads here. Let the ingress of {host} send the paths "
        "/api/2.0/mlflow-artifacts and /ajax-api/2.0/mlflow-artifacts to tandem-artifacts; or, "
        "where that has a host of its own, name it: tandem-metadata serve "
        "--default-artifact-root mlflow-artifacts://HOST/, and for good in the locations: "
        "tandem-metadata rewrite-artifacts --from mlflow-artifacts:/ --to mlflow-artifacts://HOST/."
    )
