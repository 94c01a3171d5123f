"""The root, server-info, and the answer to calls that a tracking server would take."""

import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tandem_artifacts.routes.context import Context
from tandem_shared.auth.rules import PUBLIC
from tandem_shared.http.router import (
    ROUTE,
    Handler,
    Route,
    api_routes,
    json_response,
    no_such_endpoint,
)
from tandem_shared.http.server_info import ServerInfo
from tandem_shared.wire import codec

_TRACKING = re.compile(
    r"/(?:ajax-)?api/[^/]+/(?:preview/)?mlflow(?:/.*)?"
    r"|/graphql|/get-artifact|/model-versions/get-artifact|/get-trace-artifact|/upload-artifact"
    r"|/v1/traces",
    re.DOTALL,
)
"""Paths of tracking and registry APIs, old and new: clients of any version get one answer."""

_TRACKING_LABEL = "/{tracking API}"

_DISABLED = (
    "Endpoint: {path} disabled due to the mlflow server running in `--artifacts-only` mode. "
    "To enable tracking server functionality, run `mlflow server` without `--artifacts-only`"
)
"""MLflow's own words, which clients and people look for."""


def routes(context: Context) -> list[Route]:
    """The root and server-info."""

    async def server_info(_: Request) -> Response:
        return json_response(codec.encode_json(describe(context)))

    return [
        Route("GET", "/", root, PUBLIC),
        *api_routes("GET", "3.0/mlflow/server-info", server_info, PUBLIC),
    ]


async def root(_: Request) -> Response:
    """`GET /`: for people who open the address in a browser."""
    return PlainTextResponse(
        "This is Tandem's artifacts service: it stores and serves MLflow artifacts.\n"
        "The tracking server and its web UI have another address.\n"
    )


def describe(context: Context) -> ServerInfo:
    """The features that the settings and the driver allow."""
    return ServerInfo(
        artifact_serving_enabled=True,
        multipart_uploads_enabled=context.multipart_uploads,
        multipart_downloads_enabled=context.multipart_downloads,
    )


def not_served_here(prefix: str) -> Handler:
    """The handler for every path that no route has."""

    async def answer(request: Request) -> Response:
        path = request.scope["path"]
        if not _TRACKING.fullmatch(path.removeprefix(prefix)):
            raise no_such_endpoint(path)
        request.scope[ROUTE] = _TRACKING_LABEL
        return PlainTextResponse(_DISABLED.format(path=path), 503)

    return answer
