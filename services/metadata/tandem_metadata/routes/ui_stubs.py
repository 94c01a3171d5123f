"""Empty answers to the web UI about features that Tandem does not have.

With these answers and `server-info`, the UI hides such features or shows its empty states. Errors
would leave skeletons and red messages. The answers are under `/ajax-api` only. Clients ask under
`/api`, where `unsupported` refuses: an empty answer would claim that Tandem keeps such things.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.routes import unsupported
from tandem_shared.auth.rules import SIGNED_IN
from tandem_shared.http.router import Handler, Route, json_response, read_json_body
from tandem_shared.wire import codec

_BODY_BYTES = 1024 * 1024

_NOTHING: dict[str, Any] = {}

_ANSWERS: dict[tuple[str, str], dict[str, Any]] = {
    # MLflow answers 404 for the assistant, which browsers log as an error of every page.
    ("GET", "3.0/mlflow/assistant/config"): {"providers": {}, "remote_access_allowed": False},
    ("GET", "3.0/mlflow/assistant/providers"): {"providers": [], "resolved": None},
    ("GET", "3.0/mlflow/ui-telemetry"): {
        "disable_ui_telemetry": True,
        "disable_ui_events": [],
        "ui_rollout_percentage": 0,
    },
    ("POST", "3.0/mlflow/ui-telemetry"): {"status": "disabled"},
    ("GET", "2.0/mlflow/gateway-proxy"): {"endpoints": []},
    ("GET", "3.0/mlflow/gateway/secrets/config"): {"secrets_available": False},
    ("GET", "3.0/mlflow/gateway/supported-models"): {"models": []},
    **dict.fromkeys(
        [
            ("GET", "3.0/mlflow/gateway/budgets/list"),
            ("GET", "3.0/mlflow/gateway/budgets/windows"),
            ("GET", "3.0/mlflow/gateway/endpoints/bindings/list"),
            ("GET", "3.0/mlflow/gateway/endpoints/list"),
            ("GET", "3.0/mlflow/gateway/guardrails/list"),
            ("GET", "3.0/mlflow/gateway/model-definitions/list"),
            ("GET", "3.0/mlflow/gateway/secrets/list"),
            ("GET", "3.0/mlflow/label-schemas/list"),
            ("GET", "3.0/mlflow/mcp-servers"),
            ("GET", "3.0/mlflow/review-queues/items/list"),
            ("GET", "3.0/mlflow/review-queues/list"),
            ("GET", "3.0/mlflow/skills"),
            ("GET", "3.0/mlflow/workspaces"),
            ("POST", "3.0/mlflow/issues/search"),
            # The review page requests its visitor's queue and ignores the answer.
            ("POST", "3.0/mlflow/review-queues/get-or-create-user"),
        ],
        _NOTHING,
    ),
}

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes() -> list[Route]:
    """The routes of all answers; bodies of requests are read and ignored."""
    return [
        Route(
            method,
            f"/ajax-api/{path}",
            _saying(codec.encode_json(answer)),
            SIGNED_IN,
            method == "POST",
        )
        for (method, path), answer in _ANSWERS.items()
    ]


def without_accounts() -> list[Route]:
    """The answer that nobody is logged in: the UI shows no account menu and no administration.

    MLflow answers 404, which browsers log as an error of every page.
    """
    path = "/ajax-api/2.0/mlflow/users/current"
    return [Route("GET", path, _saying(codec.encode_json(_NOTHING)), SIGNED_IN)]


def refusals(refuse: Handler) -> list[Route]:
    """Routes for the other methods of these paths, where `unsupported.ABSENT` has a reason.

    `refuse` is the handler of `unsupported`. Without them a client would be told that the method is
    wrong, not that the feature is absent.
    """
    paths = dict.fromkeys(f"/ajax-api/{path}" for _, path in _ANSWERS)
    return [
        Route(method, path, refuse, SIGNED_IN)
        for path in paths
        if unsupported.names(path)
        for method in _METHODS
        if (method, path.removeprefix("/ajax-api/")) not in _ANSWERS
    ]


def _saying(body: bytes) -> Handler:
    async def answer(request: Request) -> Response:
        if request.method == "POST":
            await read_json_body(request, _BODY_BYTES)
        return json_response(body)

    return answer
