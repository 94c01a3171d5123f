"""Refusals of the endpoints of MLflow's server that Tandem does not have, by feature.

They answer paths that no route has. A client reports "not supported" once; after "no such
endpoint" it would try older endpoints in turn.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from tandem_shared.errors import EndpointNotFound, NotFound, NotSupported
from tandem_shared.http.router import Handler

NO_TRACES = "Tandem keeps no traces; mlflow.tracing.disable() lets a client stop sending them."
_SENTENCES = {
    "traces": NO_TRACES,
    "datasets": "Tandem keeps no evaluation datasets; datasets of runs are logged with the run.",
    "scorers": "Tandem keeps no scorers.",
    "scorer": "Tandem runs no scorers.",
    "genai": "Tandem runs no evaluations; run them where your code is.",
    "issues": "Tandem finds and keeps no issues of traces.",
    "review-queues": "Tandem has no review queues.",
    "label-schemas": "Tandem has no label schemas.",
    "mcp-servers": "Tandem has no registry of MCP servers.",
    "gateway": "Tandem is no gateway to language models.",
    "assistant": "Tandem has no assistant.",
    "jobs": "Tandem runs no jobs.",
    "prompt-optimization": "Tandem runs no jobs.",
    "demo": "Tandem has no demo data.",
}
_FEATURE = re.compile(
    rf"/(?:ajax-)?api/\d\.\d/mlflow/(?P<feature>{'|'.join(map(re.escape, _SENTENCES))})(?:/.*)?",
    re.DOTALL,
)
_ONE_TRACE = re.compile(r"/(?:ajax-)?api/\d\.\d/mlflow/(?:traces/.+|get-trace-artifact)", re.DOTALL)


def refuse(prefix: str) -> Handler:
    """The handler of paths that no route has; `prefix` is `--static-prefix`.

    It raises NotSupported for features that Tandem does not have, NotFound for reading one trace,
    and otherwise EndpointNotFound.
    """

    async def answer(request: Request) -> Response:
        path: str = request.scope["path"]
        below = path.removeprefix(prefix)
        if request.method in ("GET", "HEAD") and _ONE_TRACE.fullmatch(below):
            raise NotFound(f"There is no such trace: {NO_TRACES}")
        if match := _FEATURE.fullmatch(below):
            raise NotSupported(_SENTENCES[match["feature"]])
        raise EndpointNotFound(f"No endpoint has the path {path}.")

    return answer
