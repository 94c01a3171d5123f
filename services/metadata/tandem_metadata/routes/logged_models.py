"""Endpoints of logged models; their artifacts are listed and fetched elsewhere."""

from typing import Any

from tandem_metadata.messages import logged_models as messages
from tandem_metadata.messages.experiments import Empty
from tandem_metadata.messages.logged_models import LoggedModelResponse
from tandem_metadata.routes.endpoint import MANY_BYTES, Context, Endpoint
from tandem_metadata.store.logged_models import logged_models
from tandem_metadata.store.logged_models import search as logged_model_search


def create(context: Context, request: messages.CreateLoggedModel) -> LoggedModelResponse:
    """Create a logged model."""
    with context.db.write() as conn:
        return LoggedModelResponse(logged_models.create(conn, request))


def get(context: Context, request: messages.GetLoggedModel) -> LoggedModelResponse:
    """Read a logged model."""
    allow_deleted = request.allow_deleted.lower() == "true"
    with context.db.read() as conn:
        return LoggedModelResponse(
            logged_models.get(conn, request.model_id, allow_deleted=allow_deleted)
        )


def finalize(context: Context, request: messages.FinalizeLoggedModel) -> LoggedModelResponse:
    """Set the status of a logged model."""
    with context.db.write() as conn:
        return LoggedModelResponse(logged_models.finalize(conn, request.model_id, request.status))


def delete(context: Context, request: messages.DeleteLoggedModel) -> Empty:
    """Delete a logged model."""
    with context.db.write() as conn:
        logged_models.delete(conn, request.model_id)
    return Empty()


def set_tags(context: Context, request: messages.SetLoggedModelTags) -> Empty:
    """Set tags of a logged model."""
    with context.db.write() as conn:
        logged_models.set_tags(conn, request.model_id, request.tags)
    return Empty()


def delete_tag(context: Context, request: messages.DeleteLoggedModelTag) -> Empty:
    """Delete a tag of a logged model."""
    with context.db.write() as conn:
        logged_models.delete_tag(conn, request.model_id, request.tag_key)
    return Empty()


def log_params(context: Context, request: messages.LogLoggedModelParams) -> Empty:
    """Add params to a logged model."""
    with context.db.write() as conn:
        logged_models.log_params(conn, request.model_id, request.params)
    return Empty()


def search(
    context: Context, request: messages.SearchLoggedModels
) -> messages.SearchLoggedModelsResponse:
    """Find logged models of some experiments."""
    with context.db.read() as conn:
        models, token = logged_model_search.search(
            conn,
            experiment_ids=request.experiment_ids,
            filter=request.filter,
            datasets=request.datasets,
            max_results=request.max_results,
            order_by=request.order_by,
            page_token=request.page_token,
        )
    return messages.SearchLoggedModelsResponse(models, token)


_PATH = "2.0/mlflow/logged-models"
_MODEL = f"{_PATH}/{{model_id}}"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint("POST", _PATH, messages.CreateLoggedModel, create, body_bytes=MANY_BYTES),
    Endpoint("POST", f"{_PATH}/search", messages.SearchLoggedModels, search, reads=True),
    Endpoint("GET", _MODEL, messages.GetLoggedModel, get),
    Endpoint("PATCH", _MODEL, messages.FinalizeLoggedModel, finalize),
    Endpoint("DELETE", _MODEL, messages.DeleteLoggedModel, delete),
    Endpoint(
        "PATCH", f"{_MODEL}/tags", messages.SetLoggedModelTags, set_tags, body_bytes=MANY_BYTES
    ),
    Endpoint(
        "DELETE", f"{_MODEL}/tags/{{tag_key:path}}", messages.DeleteLoggedModelTag, delete_tag
    ),
    Endpoint(
        "POST", f"{_MODEL}/params", messages.LogLoggedModelParams, log_params, body_bytes=MANY_BYTES
    ),
]
