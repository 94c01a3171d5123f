"""A run's artifacts as the metadata host has them: listed and relayed through the other service."""

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tandem_metadata.artifact_client import ArtifactClient, FileInfo
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.runs import named
from tandem_metadata.store import runs
from tandem_shared import paths, wire
from tandem_shared.http import API_PREFIXES, Handler, Route, api_routes, json_response

P = ParamSpec("P")
V = TypeVar("V")

_PASSED_ON = ("range", "if-range", "if-none-match", "authorization")
_PASSED_BACK = (
    "accept-ranges", "cache-control", "content-disposition", "content-length", "content-range",
    "content-security-policy", "content-type", "etag", "last-modified", "location",
)  # fmt: skip
_CHUNK_BYTES = 256 * 1024

_DISABLED = {
    "2.0/mlflow-artifacts/artifacts": ("GET",),
    "2.0/mlflow-artifacts/artifacts/{artifact_path:path}": ("GET", "PUT", "DELETE"),
    "2.0/mlflow-artifacts/mpu/create/{artifact_path:path}": ("POST",),
    "2.0/mlflow-artifacts/mpu/complete/{artifact_path:path}": ("POST",),
    "2.0/mlflow-artifacts/mpu/abort/{artifact_path:path}": ("POST",),
    "2.0/mlflow-artifacts/presigned/{artifact_path:path}": ("GET",),
}


class ListArtifacts(Struct):
    """Request of `artifacts/list`."""

    run_id: str | None = None
    run_uuid: str | None = None
    path: str | None = None
    page_token: str | None = None


class Listing(Struct, omit_defaults=True):
    """Answer of `artifacts/list`, and of the listing of a logged model's artifacts."""

    root_uri: str
    files: list[FileInfo] = []


class GetArtifact(Struct):
    """Query of `/get-artifact`."""

    path: wire.Required
    run_id: str | None = None
    run_uuid: str | None = None


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`artifacts/list`, `/get-artifact`, and the refusals of the artifact proxy's own endpoints."""

    async def list_artifacts(request: Request) -> Response:
        query = wire.decode_query(request.query_params.multi_items(), ListArtifacts)
        path = paths.check_optional(query.path)
        run_id = named(query.run_id, query.run_uuid)
        uri = await read(context, runs.artifact_uri, run_id)
        return await listing(client, request, uri, path)

    async def get_artifact(request: Request) -> Response:
        query = wire.decode_query(request.query_params.multi_items(), GetArtifact)
        path = paths.check(query.path)
        run_id = named(query.run_id, query.run_uuid)
        uri = await read(context, runs.artifact_uri, run_id)
        return await relay(client, request, uri, path)

    return [
        *api_routes("GET", "2.0/mlflow/artifacts/list", list_artifacts),
        Route("GET", "/get-artifact", get_artifact),
        *(
            Route(method, f"{prefix}/{path}", _disabled(f"{prefix}/{path}"))
            for prefix in API_PREFIXES
            for path, methods in _DISABLED.items()
            for method in methods
        ),
    ]


async def listing(client: ArtifactClient, request: Request, uri: str, path: str) -> Response:
    """What is one level below a path of an artifact root, as the artifacts service lists it.

    Raises InvalidParameter or PermissionDenied for a root that this service does not follow, and
    otherwise as the artifacts service answers.
    """
    files = await client.list(client.locate(uri), path, _headers(request))
    return json_response(wire.encode_json(Listing(uri, files)))


async def relay(client: ArtifactClient, request: Request, uri: str, path: str) -> Response:
    """An artifact below a root, streamed from the artifacts service; raises as `listing` does."""
    response = await client.open(client.locate(uri), path, _headers(request))
    headers = {name: response.headers[name] for name in _PASSED_BACK if name in response.headers}
    if request.method == "HEAD":  # nobody will read the body
        await response.aclose()
    return _Relayed(response, headers)


async def read(
    context: Context, find: Callable[Concatenate[Any, P], V], *args: P.args, **kwargs: P.kwargs
) -> V:
    """What a store function finds, with a connection of its own."""

    def run() -> V:
        with context.db.read() as conn:
            return find(conn, *args, **kwargs)

    return await context.threads.run(run)


def _headers(request: Request) -> dict[str, str]:
    """What the artifacts service must see of the caller's request; its credentials among it."""
    return {name: request.headers[name] for name in _PASSED_ON if name in request.headers}


class _Relayed(StreamingResponse):
    """An answer of the artifacts service, passed on as it comes.

    Its connection is free again when this ends, also when the client left before the first byte.
    """

    def __init__(self, answer: httpx.Response, headers: Mapping[str, str]) -> None:
        super().__init__(answer.aiter_raw(_CHUNK_BYTES), answer.status_code, headers)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._answer.aclose()


def _disabled(path: str) -> Handler:
    """MLflow's answer under `--no-serve-artifacts`, with the path as its router spells it."""
    rule = path.replace("{artifact_path:path}", "<path:artifact_path>")
    text = (
        f"Endpoint: {rule} disabled due to the mlflow server running with `--no-serve-artifacts`. "
        "To enable artifacts server functionality, run `mlflow server` with `--serve-artifacts`"
    )

    async def refuse(_: Request) -> Response:
        return Response(text, 503, media_type="text/plain")

    return refuse
