"""Liveness, readiness and version."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tandem_shared import MLFLOW_VERSION
from tandem_shared.errors import ApiError

Check = Callable[[], Awaitable[None]]
"""Raises ApiError when a part that the service cannot work without does not answer."""


class Readiness:
    """Whether this process wants new requests; it stops wanting them before it stops."""

    def __init__(self) -> None:
        self.draining = False


READINESS = Readiness()


async def health(_: Request) -> Response:
    """`GET /health`: the process is alive. MLflow answers the same two letters."""
    return PlainTextResponse("OK")


async def version(_: Request) -> Response:
    """`GET /version`: the MLflow version whose API this is; clients compare it with their own."""
    return PlainTextResponse(MLFLOW_VERSION)


def ready(check: Check) -> Callable[[Request], Awaitable[Response]]:
    """`GET /ready`: 200 while the process takes requests and `check` passes, else 503."""

    async def answer(_: Request) -> Response:
        if READINESS.draining:
            return PlainTextResponse("draining", 503)
        try:
            await check()
        except ApiError as error:
            return PlainTextResponse(error.message, 503)
        return PlainTextResponse("OK")

    return answer
