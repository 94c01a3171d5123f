"""Endpoints of logged models; `model_artifacts` serves their files."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import logged_models as messages
from tandem_metadata.messages.logged_models import LoggedModelResponse
from tandem_metadata.routes.endpoint import MANY_BYTES, READ, WRITE, Context, Endpoint
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Readable
from tandem_metadata.store.logged_models import logged_models
from tandem_metadata.store.logged_models import search as logged_model_search


def create(conn: Connection, request: messages.CreateLoggedModel) -> LoggedModelResponse:
    """Create a logged model."""
    return LoggedModelResponse(logged_models.create(conn, request))


def get(conn: Connection, request: messages.GetLoggedModel) -> LoggedModelResponse:
    """Read a logged model."""
    allow_deleted = request.allow_deleted.lower() == "true"
    return LoggedModelResponse(
        logged_models.get(conn, request.model_id, allow_deleted=allow_deleted)
    )


def finalize(conn: Connection, request: messages.FinalizeLoggedModel) -> LoggedModelResponse:
    """Set the status of a logged model."""
    return LoggedModelResponse(logged_models.finalize(conn, request.model_id, request.status))


def delete(conn: Connection, request: messages.DeleteLoggedModel) -> None:
    """Delete a logged model."""
    logged_models.delete(conn, request.model_id)


def set_tags(conn: Connection, request: messages.SetLoggedModelTags) -> None:
    """Set tags of a logged model."""
    logged_models.set_tags(conn, request.model_id, request.tags)


def delete_tag(conn: Connection, request: messages.DeleteLoggedModelTag) -> None:
    """Delete a tag of a logged model."""
    logged_models.delete_tag(conn, request.model_id, request.tag_key)


def log_params(conn: Connection, request: messages.LogLoggedModelParams) -> None:
    """Add params to a logged model."""
    logged_models.log_params(conn, request.model_id, request.params)


async def search(
    context: Context, request: messages.SearchLoggedModels
) -> messages.SearchLoggedModelsResponse:
    """Find logged models of some experiments."""
    readable = await context.readable_in(request.experiment_ids, permissions.LOGGED_MODEL)
    return await context.read(_find, request, readable)


def _find(
    conn: Connection, request: messages.SearchLoggedModels, readable: Readable | None
) -> messages.SearchLoggedModelsResponse:
    models, token = logged_model_search.search(
        conn,
        experiment_ids=request.experiment_ids,
        filter=request.filter,
        datasets=request.datasets,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
        readable=readable,
    )
    return messages.SearchLoggedModelsResponse(models, token)


_PATH = "2.0/mlflow/logged-models"
_MODEL = f"{_PATH}/{{model_id}}"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        _PATH,
        messages.CreateLoggedModel,
        WRITE,
        create,
        rules.new_in_experiment(permissions.LOGGED_MODEL),
        MANY_BYTES,
    ),
    Endpoint(
        "POST",
        f"{_PATH}/search",
        messages.SearchLoggedModels,
        READ,
        search,
        rules.LOGGED_MODELS_LISTED,
    ),
    Endpoint("GET", _MODEL, messages.GetLoggedModel, READ, get, rules.logged_model(Action.READ)),
    Endpoint(
        "PATCH",
        _MODEL,
        messages.FinalizeLoggedModel,
        WRITE,
        finalize,
        rules.logged_model(Action.UPDATE),
    ),
    Endpoint(
        "DELETE",
        _MODEL,
        messages.DeleteLoggedModel,
        WRITE,
        delete,
        rules.logged_model(Action.DELETE),
    ),
    Endpoint(
        "PATCH",
        f"{_MODEL}/tags",
        messages.SetLoggedModelTags,
        WRITE,
        set_tags,
        rules.logged_model(Action.UPDATE),
        MANY_BYTES,
    ),
    Endpoint(
        "DELETE",
        f"{_MODEL}/tags/{{tag_key:path}}",
        messages.DeleteLoggedModelTag,
        WRITE,
        delete_tag,
        rules.logged_model(Action.DELETE),
    ),
    Endpoint(
        "POST",
        f"{_MODEL}/params",
        messages.LogLoggedModelParams,
        WRITE,
        log_params,
        rules.logged_model(Action.UPDATE),
        MANY_BYTES,
    ),
]
