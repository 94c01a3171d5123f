"""Refusals of the endpoints of MLflow's server that Tandem does not have, by feature.

They answer paths that no route has. A client reports "not supported" once; after "no such
endpoint" it would try older endpoints in turn.
"""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tandem_shared.errors import NotSupported
from tandem_shared.http.router import Handler, no_such_endpoint

ABSENT: Final = {
    "mlflow/scorers/online-config": "Tandem runs no scorers by itself; run them where your code "
    "is, over the traces that a search finds.",
    "mlflow/scorer": "Tandem runs no scorers.",
    "mlflow/genai": "Tandem runs no evaluations; run them where your code is.",
    "mlflow/issues": "Tandem finds and keeps no issues of traces.",
    "mlflow/review-queues": "Tandem has no review queues.",
    "mlflow/label-schemas": "Tandem has no label schemas.",
    "mlflow/mcp-servers": "Tandem has no registry of MCP servers.",
    "mlflow/skills": "Tandem has no registry of skills.",
    "mlflow/gateway": "Tandem is no gateway to language models.",
    "mlflow/gateway-proxy": "Tandem is no gateway to language models.",
    "mlflow/assistant": "Tandem has no assistant.",
    "mlflow/jobs": "Tandem runs no jobs.",
    "jobs": "Tandem runs no jobs.",
    "mlflow/prompt-optimization": "Tandem runs no jobs.",
    "mlflow/demo": "Tandem has no demo data.",
    "mlflow/workspaces": "Tandem has no workspaces; a second database, and a service of its own, "
    "keep teams apart.",
}
"""What Tandem does not have, with the reason: paths below the version of the API.

Every path below one of them is refused too. Each endpoint of the followed release is below one, or
has a route (tests/contract).
"""

_FEATURE = re.compile(
    rf"/(?:ajax-)?api/\d\.\d/(?P<feature>{'|'.join(map(re.escape, ABSENT))})(?:/.*)?", re.DOTALL
)
_GATEWAY = re.compile(r"/gateway/.+", re.DOTALL)


def names(path: str) -> bool:
    """Whether a path, without the static prefix, is below one of `ABSENT`."""
    return _FEATURE.fullmatch(path) is not None


def refuse(prefix: str) -> Handler:
    """The handler of paths that no route has; `prefix` is `--static-prefix`.

    It raises NotSupported for features that Tandem does not have, and otherwise EndpointNotFound.
    """

    async def answer(request: Request) -> Response:
        path: str = request.scope["path"]
        below = path.removeprefix(prefix)
        if match := _FEATURE.fullmatch(below):
            raise NotSupported(ABSENT[match["feature"]])
        if _GATEWAY.fullmatch(below):
            raise NotSupported(ABSENT["mlflow/gateway"])
        raise no_such_endpoint(path)

    return answer
