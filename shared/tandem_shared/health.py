"""Liveness, readiness and version."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tandem_shared import MLFLOW_VERSION
from tandem_shared.errors import ApiError

CHECK_SECONDS = 5.0
"""How long a check may take before the process counts as not ready."""

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
    """`GET /ready`: 200 while the process takes requests and `check` passes, else 503.

    There is one check at a time, which goes on when it takes longer than `CHECK_SECONDS`: probes
    of a store that hangs are answered, and do not pile up.
    """
    last: asyncio.Task[None] | None = None

    async def answer(_: Request) -> Response:
        nonlocal last
        if READINESS.draining:
            return PlainTextResponse("draining", 503)
        if last is None or last.done():
            last = asyncio.get_running_loop().create_task(_run(check))
            last.add_done_callback(_look_at)
        task = last
        await asyncio.wait([task], timeout=CHECK_SECONDS)
        if not task.done():
            return PlainTextResponse(f"The check takes longer than {CHECK_SECONDS:g} seconds.", 503)
        try:
            task.result()
        except ApiError as error:
            return PlainTextResponse(error.message, 503)
        return PlainTextResponse("OK")

    return answer


async def _run(check: Check) -> None:
    await check()


def _look_at(task: asyncio.Task[None]) -> None:
    """Or asyncio complains about a failure that came too late for any probe."""
    if not task.cancelled():
        task.exception()
