"""Endpoints that search the model registry."""

from typing import Any

from tandem_metadata.database import Connection
from tandem_metadata.messages import registry_search as messages
from tandem_metadata.routes.endpoint import READ, Endpoint
from tandem_metadata.store.registry import model_version_search, registered_model_search


def registered_models(
    conn: Connection, request: messages.SearchRegistry
) -> messages.SearchRegisteredModelsResponse:
    """Find registered models, or prompts."""
    found, token = registered_model_search.search(
        conn,
        filter=request.filter,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
    )
    return messages.SearchRegisteredModelsResponse(found, token)


def model_versions(
    conn: Connection, request: messages.SearchRegistry
) -> messages.SearchModelVersionsResponse:
    """Find versions of models, or of prompts."""
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
        "GET", f"{_PATH}/registered-models/search", messages.SearchRegistry, READ, registered_models
    ),
    Endpoint(
        "GET", f"{_PATH}/model-versions/search", messages.SearchRegistry, READ, model_versions
    ),
]
