"""A run's artifacts as the metadata host has them: listed and fetched through the other service."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.relaying import fetch, listing
from tandem_metadata.routes.runs import named
from tandem_metadata.store.tracking import runs
from tandem_shared import paths
from tandem_shared.http.router import Route, api_routes
from tandem_shared.wire import codec

P = ParamSpec("P")
V = TypeVar("V")


class ListArtifacts(Struct):
    """Request of `artifacts/list`."""

    run_id: str | None = None
    run_uuid: str | None = None
    path: str | None = None
    page_token: str | None = None


class GetArtifact(Struct):
    """Query of `/get-artifact`."""

    path: codec.Required
    run_id: str | None = None
    run_uuid: str | None = None


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`artifacts/list` and `/get-artifact`."""

    async def list_artifacts(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), ListArtifacts)
        path = paths.check_optional(query.path)
        run_id = named(query.run_id, query.run_uuid)
        uri = await read(context, runs.artifact_uri, run_id)
        return await listing(client, request, uri, path)

    async def get_artifact(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), GetArtifact)
        path = paths.check(query.path)
        run_id = named(query.run_id, query.run_uuid)
        uri = await read(context, runs.artifact_uri, run_id)
        return await fetch(client, request, uri, path)

    return [
        *api_routes("GET", "2.0/mlflow/artifacts/list", list_artifacts),
        Route("GET", "/get-artifact", get_artifact),
    ]


async def read(
    context: Context, find: Callable[Concatenate[Any, P], V], *args: P.args, **kwargs: P.kwargs
) -> V:
    """What a store function finds, with a connection of its own."""

    def run() -> V:
        with context.db.read() as conn:
            return find(conn, *args, **kwargs)

    return await context.threads.run(run)
