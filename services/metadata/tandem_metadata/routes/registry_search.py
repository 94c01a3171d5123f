"""Endpoints that search the model registry."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import registry_search as messages
from tandem_metadata.routes.endpoint import READ, Context, Endpoint
from tandem_metadata.search.sql.registry_compile import ReadableNames
from tandem_metadata.store.registry import model_version_search, registered_model_search


async def registered_models(
    context: Context, request: messages.SearchRegistry
) -> messages.SearchRegisteredModelsResponse:
    """Find registered models, or prompts."""
    readable = await context.readable_names(versions=False)
    return await context.read(_find_models, request, readable)


def _find_models(
    conn: Connection, request: messages.SearchRegistry, readable: ReadableNames | None
) -> messages.SearchRegisteredModelsResponse:
    found, token = registered_model_search.search(
        conn,
        filter=request.filter,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
        readable=readable,
    )
    return messages.SearchRegisteredModelsResponse(found, token)


async def model_versions(
    context: Context, request: messages.SearchRegistry
) -> messages.SearchModelVersionsResponse:
    """Find versions of models, or of prompts."""
    readable = await context.readable_names(versions=True)
    return await context.read(_find_versions, request, readable)


def _find_versions(
    conn: Connection, request: messages.SearchRegistry, readable: ReadableNames | None
) -> messages.SearchModelVersionsResponse:
    found, token = model_version_search.search(
        conn,
        filter=request.filter,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
        readable=readable,
    )
    return messages.SearchModelVersionsResponse(found, token)


_PATH = "2.0/mlflow"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "GET",
        f"{_PATH}/registered-models/search",
        messages.SearchRegistry,
        READ,
        registered_models,
        rules.LISTED,
    ),
    Endpoint(
        "GET",
        f"{_PATH}/model-versions/search",
        messages.SearchRegistry,
        READ,
        model_versions,
        rules.VERSIONS_LISTED,
    ),
]
