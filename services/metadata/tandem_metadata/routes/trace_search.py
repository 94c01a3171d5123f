"""Endpoints that search for traces."""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

from tandem_metadata.access.trace_search_rules import TRACES_FOUND
from tandem_metadata.database import Connection
from tandem_metadata.messages import trace_search as messages
from tandem_metadata.routes.endpoint import READ, Context, Endpoint
from tandem_metadata.store.traces import load
from tandem_metadata.store.traces import search as trace_search

Info = TypeVar("Info")
Request = messages.SearchTraces | messages.SearchOldTraces


async def search(context: Context, request: messages.SearchTraces) -> messages.SearchTracesResponse:
    """Find traces of some experiments."""
    found, token = await context.read(_found, request, load.infos)
    context.withhold(found)
    return messages.SearchTracesResponse(found, token)


async def search_old(
    context: Context, request: messages.SearchOldTraces
) -> messages.SearchOldTracesResponse:
    """Find traces, in the form of version 2."""
    found, token = await context.read(_found, request, load.old_infos)
    context.withhold(found)
    return messages.SearchOldTracesResponse(found, token)


def _found(
    conn: Connection,
    request: Request,
    infos: Callable[[Connection, Collection[str]], list[Info]],
) -> tuple[list[Info], str | None]:
    page = trace_search.find(
        conn,
        experiment_ids=request.experiment_ids,
        filter=request.filter,
        max_results=request.max_results,
        order_by=request.order_by,
        page_token=request.page_token,
    )
    return infos(conn, page.ids) if page.ids else [], page.token


ENDPOINTS: Final[list[Endpoint[Any]]] = [
    Endpoint("POST", "3.0/mlflow/traces/search", messages.SearchTraces, READ, search, TRACES_FOUND),
    Endpoint("GET", "2.0/mlflow/traces", messages.SearchOldTraces, READ, search_old, TRACES_FOUND),
]
