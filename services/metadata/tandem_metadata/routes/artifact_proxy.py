"""Redirects from the artifact proxy's endpoints to the artifacts service, which serves them.

Databases of MLflow's server hold locations without a host (`mlflow-artifacts:/…`). Clients send
requests for them here, unless the ingress routes these to the artifacts service.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tandem_metadata.artifacts.roots import Roots
from tandem_shared.auth.rules import SIGNED_IN
from tandem_shared.errors import NotSupported
from tandem_shared.http.router import Handler, Route, api_routes

_PROXY = "2.0/mlflow-artifacts"
_ENDPOINTS = {
    f"{_PROXY}/artifacts": ("GET",),
    f"{_PROXY}/artifacts/{{artifact_path:path}}": ("GET", "HEAD", "PUT", "DELETE"),
    f"{_PROXY}/mpu/create/{{artifact_path:path}}": ("POST",),
    f"{_PROXY}/mpu/complete/{{artifact_path:path}}": ("POST",),
    f"{_PROXY}/mpu/abort/{{artifact_path:path}}": ("POST",),
    f"{_PROXY}/presigned/{{artifact_path:path}}": ("GET",),
}
_PAUSE_SECONDS = 60.0
_DEFAULT_PORTS = (":80", ":443")


def routes(roots: Roots) -> list[Route]:
    """Redirects to the artifacts service that the settings name to clients; else refusals.

    A refusal is a 501: clients repeat a 503 for minutes before they show it.
    """
    lead = _lead(roots)
    return [
        route
        for path, methods in _ENDPOINTS.items()
        for method in methods
        for route in api_routes(method, path, lead, SIGNED_IN)
    ]


def _lead(roots: Roots) -> Handler:
    async def answer(request: Request) -> Response:
        await _drain(request)
        if roots.public is None or _would_loop(request, roots.public):
            raise NotSupported(_sentence(request))
        # A location without a scheme keeps the scheme and host prefix of the request.
        path: str = request.scope["raw_path"].decode("latin-1").partition("?")[0]
        query = f"?{request.url.query}" if request.url.query else ""
        headers = {"Location": roots.public + path + query, "Cache-Control": "no-store"}
        return Response(status_code=307, headers=headers)

    return answer


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
        "--default-artifact-root mlflow-artifacts://HOST/."
    )
