"""Endpoints about the service: version, health, readiness, capabilities, metrics."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.routes.endpoint import Context
from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http import health
from tandem_shared.http.router import Route, api_routes, json_response
from tandem_shared.http.server_info import ServerInfo
from tandem_shared.observability import metrics
from tandem_shared.wire import codec

_SERVER_INFO = codec.encode_json(ServerInfo(store_type="SqlStore"))


def probe(context: Context, waiting: Callable[[], None] | None = None) -> health.Probe:
    """The readiness probe, which checks the database, and that of accounts if it is another.

    `waiting` raises Unavailable while the service waits for its database.
    """

    async def check() -> None:
        if waiting:
            waiting()
        await context.threads.run(context.db.check)
        if context.accounts is not context:
            await context.accounts.threads.run(context.accounts.db.check)

    folder = context.settings.served_folder
    return health.Probe(check, folder.note() if folder else "")


def routes(ready: health.Probe) -> list[Route]:
    """The routes of the service itself; only `ready` uses the database."""

    async def server_info(_: Request) -> Response:
        return json_response(_SERVER_INFO)

    return [
        Route("GET", "/health", health.health, PUBLIC),
        Route("GET", "/ready", ready.answer, PUBLIC),
        Route("GET", "/version", health.version, PUBLIC),
        Route("GET", "/metrics", metrics.metrics, PUBLIC),
        *api_routes("GET", "3.0/mlflow/server-info", server_info, PUBLIC),
    ]
