"""Artifacts of logged models and model versions, through the artifacts service."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import registry_rules, rules
from tandem_metadata.artifacts.client import ArtifactClient
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.relaying import fetch, listing, relay
from tandem_metadata.rules.permissions import Action
from tandem_metadata.store.logged_models import logged_models
from tandem_metadata.store.registry import version_artifacts
from tandem_shared import paths
from tandem_shared.errors import BadRequest, NotFound
from tandem_shared.http.router import Route, api_routes
from tandem_shared.wire import codec

_LOGGED_MODEL = "2.0/mlflow/logged-models/{model_id}/artifacts"
_READ = rules.logged_model(Action.READ)
_READ_VERSION = registry_rules.VERSION_FILE


class ListLoggedModelArtifacts(Struct):
    """Request of `logged-models/{model_id}/artifacts/directories`."""

    model_id: codec.Required
    artifact_directory_path: str | None = None
    page_token: str | None = None


class GetLoggedModelArtifact(Struct):
    """Query of `logged-models/{model_id}/artifacts/files`."""

    model_id: codec.Required
    artifact_file_path: str | None = None


class GetModelVersionArtifact(Struct):
    """Query of `/model-versions/get-artifact`."""

    name: codec.Required
    version: codec.Required
    path: codec.Required


def routes(context: Context, client: ArtifactClient) -> list[Route]:
    """A logged model's directories and files, and `/model-versions/get-artifact`.

    MLflow serves files under `/ajax-api` only, and so does Tandem.
    """

    async def list_of_logged_model(request: Request) -> Response:
        query = codec.decode_query(_parameters(request), ListLoggedModelArtifacts)
        path = paths.check_optional(query.artifact_directory_path)
        await context.check(request, _READ, query)
        uri = await context.read(logged_models.artifact_uri, query.model_id)
        return await listing(client, request, uri, path)

    async def file_of_logged_model(request: Request) -> Response:
        query = codec.decode_query(_parameters(request), GetLoggedModelArtifact)
        if not query.artifact_file_path:
            raise BadRequest(
                "Missing value for required parameter 'artifact_file_path'. Request must include "
                'the "artifact_file_path" query parameter.'
            )
        path = paths.check(query.artifact_file_path)
        await context.check(request, _READ, query)
        uri = await context.read(logged_models.artifact_uri, query.model_id)
        return await fetch(client, request, uri, path)

    async def file_of_model_version(request: Request) -> Response:
        query = codec.decode_query(request.query_params.multi_items(), GetModelVersionArtifact)
        path = paths.check(query.path)
        await context.check(request, _READ_VERSION, query)
        roots = await context.read(version_artifacts.roots, query.name, query.version)
        for root in roots[:-1]:
            try:  # relay: a browser redirected to a missing file would not try the next root
                return await relay(client, request, root, path)
            except NotFound:
                continue
        return await fetch(client, request, roots[-1], path)

    return [
        *api_routes("GET", f"{_LOGGED_MODEL}/directories", list_of_logged_model, _READ),
        Route("GET", f"/ajax-api/{_LOGGED_MODEL}/files", file_of_logged_model, _READ),
        Route("GET", "/model-versions/get-artifact", file_of_model_version, _READ_VERSION),
    ]


def _parameters(request: Request) -> list[tuple[str, str]]:
    return [*request.path_params.items(), *request.query_params.multi_items()]
