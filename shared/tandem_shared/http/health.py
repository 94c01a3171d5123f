"""Liveness, readiness and version."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from prometheus_client import Gauge
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tandem_shared import MLFLOW_VERSION
from tandem_shared.errors import ApiError
from tandem_shared.settings import without_credentials

CHECK_SECONDS = 5.0
"""A check that takes longer leaves the process not ready."""

DRAINING = Gauge(
    "tandem_draining",
    "1 once a worker is being stopped and only finishes what it has begun, else 0.",
    multiprocess_mode="livemax",
)

Check = Callable[[], Awaitable[None]]
"""Raises ApiError when a database or store that every request needs does not answer."""

_log = logging.getLogger("tandem.ready")


class Readiness:
    """Whether this process is draining: it answers requests, and wants no new ones."""

    def __init__(self) -> None:
        self.draining = False

    def drain(self) -> None:
        """From now on `/ready` fails, and each answer closes its connection."""
        self.draining = True
        DRAINING.set(1)


READINESS = Readiness()
"""Of this process: a stop drains all of it, whatever application it serves."""


async def health(_: Request) -> Response:
    """`GET /health`: the process is alive. MLflow answers the same two letters."""
    return PlainTextResponse("OK")


async def version(_: Request) -> Response:
    """`GET /version`: the MLflow version whose API this is; clients compare it with their own."""
    return PlainTextResponse(MLFLOW_VERSION)


class Probe:
    """Answers `/ready` by a check, and logs each change of its result.

    Probes share one check. It runs on after `CHECK_SECONDS`, so that probes of a store that hangs
    are answered and start no further checks.
    """

    def __init__(self, check: Check, note: str = "") -> None:
        """`note` is a sentence for people, which follows the answer that all is well."""
        self._check = check
        self._ok = f"OK\n{note}" if note else "OK"
        self._last: asyncio.Task[None] | None = None
        self._logged = ""

    def begin(self) -> "asyncio.Task[None]":
        """The check that is running, or a new one; its result is logged.

        A service calls this at its start: the log then says what is wrong before any probe.
        """
        if self._last is None or self._last.done():
            self._last = asyncio.get_running_loop().create_task(self._run())
            self._last.add_done_callback(_look_at)
        return self._last

    async def answer(self, _: Request) -> Response:
        """`GET /ready`: 200 while the process takes requests and the check passes, else 503."""
        if READINESS.draining:
            return PlainTextResponse("draining", 503)
        task = self.begin()
        await asyncio.wait([task], timeout=CHECK_SECONDS)
        if not task.done():
            return PlainTextResponse(f"The check takes longer than {CHECK_SECONDS:g} seconds.", 503)
        try:
            task.result()
        except ApiError as error:
            return PlainTextResponse(error.message, 503)
        return PlainTextResponse(self._ok)

    async def _run(self) -> None:
        try:
            await self._check()
        except ApiError as error:
            self._tell(_reason(error))
            raise
        self._tell("")

    def _tell(self, reason: str) -> None:
        if reason == self._logged:
            return
        self._logged = reason
        if reason:
            _log.warning("not ready: %s", reason)
        else:
            _log.info("ready again")


def _reason(error: ApiError) -> str:
    """One line for the operator, without the credentials that a library's message may hold."""
    if error.reason or not error.__cause__:
        return error.reason or error.message
    cause = without_credentials(" ".join(str(error.__cause__).split()))
    return f"{error.message} ({type(error.__cause__).__name__}: {cause})"


def _look_at(task: asyncio.Task[None]) -> None:
    """Retrieve the exception: asyncio logs one that no probe waited for as never retrieved."""
    if not task.cancelled():
        task.exception()
