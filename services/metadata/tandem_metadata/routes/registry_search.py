"""Endpoints that search the model registry."""

from typing import Any

from tandem_metadata.messages import registry_search as messages
from tandem_metadata.routes.endpoint import Context, Endpoint
from tandem_metadata.store.registry import model_version_search, registered_model_search


def registered_models(
    context: Context, request: messages.SearchRegistry
) -> messages.SearchRegisteredModelsResponse:
    """Find registered models, or prompts."""
    with context.db.read() as conn:
        found, token = registered_model_search.search(
            conn,
            filter=request.filter,
            max_results=request.max_results,
            order_by=request.order_by,
            page_token=request.page_token,
        )
    return messages.SearchRegisteredModelsResponse(found, token)


def model_versions(
    context: Context, request: messages.SearchRegistry
) -> messages.SearchModelVersionsResponse:
    """Find versions of models, or of prompts."""
    with context.db.read() as conn:
        found, token = model_version_search.search(
            conn,
            filter=request.filter,
            max_results=request.max_results,
            order_by=request.order_by,
            page_token=request.page_token,
        )
    return messages.SearchModelVersionsResponse(found, token)


_PATH = "2.0/mlflow"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "GET", f"{_PATH}/registered-models/search", messages.SearchRegistry, registered_models
    ),
    Endpoint("GET", f"{_PATH}/model-versions/search", messages.SearchRegistry, model_versions),
]
