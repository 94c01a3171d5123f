"""Artifacts of runs, listed and fetched through the artifacts service."""

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import rules
from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.messages.artifacts import GetArtifact, ListArtifacts
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.relaying import fetch, listing
from tandem_metadata.routes.runs import run_id_of
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.tracking import runs
from tandem_shared import paths
from tandem_shared.http.router import Route, api_routes
from tandem_shared.wire import codec

_READ = rules.run(Action.READ)


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """`artifacts/list` and `/get-artifact`."""

    async def list_artifacts(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), ListArtifacts)
        path = paths.check_optional(query.path)
        await context.check(request, _READ, query)
        run_id = run_id_of(query.run_id, query.run_uuid)
        uri = await context.read(runs.artifact_uri, run_id)
        return await listing(client, request, uri, path)

    async def get_artifact(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), GetArtifact)
        path = paths.check(query.path)
        await context.check(request, _READ, query)
        run_id = run_id_of(query.run_id, query.run_uuid)
        uri = await context.read(runs.artifact_uri, run_id)
        return await fetch(client, request, uri, path)

    return [
        *api_routes("GET", "2.0/mlflow/artifacts/list", list_artifacts, _READ),
        Route("GET", "/get-artifact", get_artifact, _READ),
    ]
