"""Endpoints of runs."""

from typing import Any

from tandem_metadata.access import rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import runs as messages
from tandem_metadata.routes.endpoint import (
    MANY_BYTES,
    READ,
    RETRIED_WRITE,
    WRITE,
    Context,
    Endpoint,
)
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Readable
from tandem_metadata.store.traces import assessments
from tandem_metadata.store.tracking import run_search, runs
from tandem_shared.errors import missing_value
from tandem_shared.wire import codec


def run_id_of(run_id: str | None, run_uuid: str | None) -> str:
    """The run that a request names, by its field's new or old name.

    Raises InvalidParameter when it names none.
    """
    if name := run_id or run_uuid:
        return name
    raise missing_value("run_id")


async def create(context: Context, request: messages.CreateRun) -> messages.CreateRunResponse:
    """Create a run."""
    new = runs.new(request, truncate=context.settings.truncate_long_values)
    return messages.CreateRunResponse(await context.writer.create(new))


async def get(context: Context, request: messages.GetRun) -> bytes:
    """Read a run with all it logged."""
    run_id = run_id_of(request.run_id, request.run_uuid)
    return b'{"run":' + await context.reader.run(run_id) + b"}"


def update(conn: Connection, request: messages.UpdateRun) -> messages.UpdateRunResponse:
    """Change a run's status, end time or name."""
    run_id = run_id_of(request.run_id, request.run_uuid)
    return messages.UpdateRunResponse(runs.update(conn, run_id, request))


def delete(conn: Connection, request: messages.DeleteRun) -> None:
    """Delete a run, with the assessments that it has made."""
    runs.delete(conn, request.run_id)
    assessments.remove_of_run(conn, request.run_id)


def restore(conn: Connection, request: messages.RestoreRun) -> None:
    """Restore a run."""
    runs.restore(conn, request.run_id)


async def search(context: Context, request: messages.SearchRuns) -> bytes:
    """Find runs of some experiments."""
    readable = await context.readable_in(request.experiment_ids, permissions.RUN)
    page = await context.read(_find, request, readable)
    return _page(await context.reader.page(page), page.token)


def _page(found: list[bytes], token: str | None) -> bytes:
    """The answer, of runs in JSON. One join copies them, since a page may have megabytes."""
    rest = [b'"next_page_token":' + codec.encode_json(token)] if token else []
    if not found:
        return b"{" + b"".join(rest) + b"}"
    parts = [*found, *rest]
    parts[0] = b'{"runs":[' + parts[0]
    parts[len(found) - 1] += b"]"
    parts[-1] += b"}"
    return b",".join(parts)


def _find(
    conn: Connection, request: messages.SearchRuns, readable: Readable | None
) -> run_search.Page:
    return run_search.find_ids(
        conn,
        experiment_ids=request.experiment_ids,
        filter=request.filter,
        run_view_type=request.run_view_type,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
        readable=readable,
    )


_PATH = "2.0/mlflow/runs"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        f"{_PATH}/create",
        messages.CreateRun,
        WRITE,
        create,
        rules.new_in_experiment(permissions.RUN),
        MANY_BYTES,
    ),
    Endpoint("GET", f"{_PATH}/get", messages.GetRun, READ, get, rules.run(Action.READ)),
    Endpoint(
        "POST", f"{_PATH}/update", messages.UpdateRun, WRITE, update, rules.run(Action.UPDATE)
    ),
    Endpoint(
        "POST",
        f"{_PATH}/delete",
        messages.DeleteRun,
        RETRIED_WRITE,
        delete,
        rules.run(Action.DELETE),
    ),
    Endpoint(
        "POST", f"{_PATH}/restore", messages.RestoreRun, WRITE, restore, rules.run(Action.DELETE)
    ),
    Endpoint("POST", f"{_PATH}/search", messages.SearchRuns, READ, search, rules.LISTED),
]
