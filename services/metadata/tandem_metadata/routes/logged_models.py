"""Logged models, to read."""

from typing import Any

from tandem_metadata.messages.logged_models import (
    GetLoggedModel,
    GetLoggedModelResponse,
    SearchLoggedModels,
    SearchLoggedModelsResponse,
)
from tandem_metadata.routes.endpoint import Context, Endpoint
from tandem_metadata.store import logged_models
from tandem_shared.errors import NotSupported


def get(context: Context, request: GetLoggedModel) -> GetLoggedModelResponse:
    """Read a logged model."""
    with context.db.read() as conn:
        return GetLoggedModelResponse(logged_models.get(conn, request.model_id))


def search(context: Context, request: SearchLoggedModels) -> SearchLoggedModelsResponse:
    """Find logged models of some experiments."""
    if request.datasets or any(order.dataset_name for order in request.order_by):
        raise NotSupported("Logged models cannot be searched by the datasets of their metrics yet.")
    with context.db.read() as conn:
        models, token = logged_models.search(
            conn,
            experiment_ids=request.experiment_ids,
            filter=request.filter,
            max_results=request.max_results,
            order_by=[(order.field_name, order.ascending) for order in request.order_by],
            page_token=request.page_token,
        )
    return SearchLoggedModelsResponse(models, token)


ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("GET", "2.0/mlflow/logged-models/{model_id}", GetLoggedModel, get),
    Endpoint("POST", "2.0/mlflow/logged-models/search", SearchLoggedModels, search),
]
