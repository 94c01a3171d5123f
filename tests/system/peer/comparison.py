"""Two answers to one request, compared field by field."""

import json

from tests.system.peer.ask import Answer


def difference(mlflow: Answer, tandem: Answer) -> str | None:
    """What differs between two comparable answers, or None.

    Of an error the status and the error code count, of GraphQL's errors their number; `phrases`
    compares the sentences. Where MLflow fails with 500 at what a client sent, Tandem must blame the
    client: a 4xx with an error code.
    """
    if mlflow.status == 500:
        if 400 <= tandem.status < 500 and _code(tandem):
            return None
        return f"MLflow fails with 500; Tandem must answer 4xx, not {_shown(tandem)}"
    if mlflow.status != tandem.status:
        return f"MLflow answers {_shown(mlflow)}\nTandem answers {_shown(tandem)}"
    if mlflow.status >= 300:
        if _code(mlflow) and _code(mlflow) != _code(tandem):
            return f"MLflow's error is {_shown(mlflow)}\nTandem's error is {_shown(tandem)}"
        return None
    if mlflow.kind != tandem.kind:
        return f"MLflow's media type is {mlflow.kind}, Tandem's {tandem.kind}"
    if _text(mlflow) != _text(tandem):
        return f"MLflow's body is\n{_text(mlflow)}\nTandem's is\n{_text(tandem)}"
    return None


def _code(answer: Answer) -> str | None:
    return answer.body.get("error_code") if isinstance(answer.body, dict) else None


def _text(answer: Answer) -> str:
    """The body as text; JSON keeps 1 and 1.0 apart, which Python's `==` does not."""
    body = answer.body
    if isinstance(body, bytes):
        return repr(body)
    if isinstance(body, dict) and body.get("errors"):
        body = {**body, "errors": ["<error>" for _ in body["errors"]]}
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


def _shown(answer: Answer) -> str:
    return f"{answer.status} {answer.kind} {_text(answer)[:2000]}"
