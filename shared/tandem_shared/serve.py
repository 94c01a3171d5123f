"""Runs a service under Hypercorn: one process or several on one socket, with a graceful stop.

On SIGTERM or SIGINT `/ready` answers 503 first, the socket stays open for `shutdown_delay` seconds,
then closes; what is in flight gets `graceful_timeout` seconds, and the process exits with 0.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from prometheus_client import multiprocess
from starlette.types import ASGIApp

from tandem_shared import logs, prometheus
from tandem_shared import settings as settings_table
from tandem_shared.health import READINESS
from tandem_shared.settings import CommonSettings, SettingsError

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75.0
"""Longer than the usual load balancer keeps an idle connection, so that it closes first."""

_CRASHED_AT_START_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """Where the parts of a service are found by name; worker processes import them afresh."""

    name: str
    settings: str
    """`module:class` of the settings."""
    factory: str
    """`module:function` that makes the ASGI application from the environment."""


def run(service: Service, settings: CommonSettings) -> int:
    """Serve until told to stop; returns the exit status."""
    os.environ.update(settings_table.to_environ(settings))
    logs.configure(service.name, settings.log_level)
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"{service.name} listens on http://{shown}:{port}", file=sys.stderr, flush=True)
    if settings.workers == 1:
        return run_worker(service, listener)
    with contextlib.ExitStack() as stack:
        directory = settings.expose_prometheus or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tandem-metrics-")
        )
        os.makedirs(directory, exist_ok=True)
        for stale in os.scandir(directory):
            if stale.name.endswith(".db"):
                os.unlink(stale)
        os.environ[prometheus.MULTIPROCESS_DIRECTORY] = directory
        return _Supervisor(service, settings.workers, listener).run()


def run_worker(service: Service, listener: socket.socket) -> int:
    """Serve in this process on a socket that listens already."""
    settings = settings_table.load(_named(service.settings), os.environ)
    logs.configure(service.name, settings.log_level)
    app: ASGIApp = _named(service.factory)()
    asyncio.run(_serve(app, settings, listener))
    return 0


async def _serve(app: ASGIApp, settings: CommonSettings, listener: socket.socket) -> None:
    stop = asyncio.Event()
    draining = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def stopped() -> None:
        await stop.wait()
        READINESS.draining = True
        await asyncio.sleep(settings.shutdown_delay)
        draining.set()

    config = _config(
        bind=[f"fd://{listener.detach()}"],
        graceful_timeout=settings.graceful_timeout,
        keep_alive_timeout=KEEP_ALIVE_SECONDS,
        keep_alive_max_requests=1_000_000,
        backlog=BACKLOG,
        include_server_header=False,
        errorlog=logging.getLogger("hypercorn.error"),
        accesslog=None,
        loglevel="WARNING",
    )
    server = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stopped))
    drained = asyncio.create_task(draining.wait())
    await asyncio.wait((server, drained), return_when=asyncio.FIRST_COMPLETED)
    drained.cancel()
    # Hypercorn's own bound does not cover Server.wait_closed(), which from Python 3.12 on waits for
    # every connection; and it ends in CancelledError when it cuts one.
    _, unfinished = await asyncio.wait((server,), timeout=settings.graceful_timeout + 1)
    if unfinished:
        _log.warning("requests were still in flight after the graceful timeout")
        server.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await server


def _config(**values: Any) -> Config:
    """Hypercorn takes unknown names in silence; this does not."""
    config = Config()
    for name, value in values.items():
        if not hasattr(config, name):
            raise AttributeError(f"Hypercorn has no setting {name}")
        setattr(config, name, value)
    return config


def _listen(settings: CommonSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another --host or --port."
        ) from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


class _Supervisor:
    """Keeps a number of worker processes on one listening socket."""

    def __init__(self, service: Service, workers: int, listener: socket.socket) -> None:
        self._service = service
        self._wanted = workers
        self._listener = listener
        self._workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._stopping = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for _ in range(self._wanted):
            self._spawn()
        failed = 0
        while self._workers:
            pid, wait_status = os.wait()
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue
            process, started = worker
            process.returncode = os.waitstatus_to_exitcode(wait_status)
            multiprocess.mark_process_dead(pid)
            if self._stopping:
                failed = failed or process.returncode
            elif time.monotonic() - started < _CRASHED_AT_START_SECONDS:
                # One that cannot start would only fail again: the reason is in its log.
                failed = process.returncode or 1
                self._stop(signal.SIGTERM, None)
            else:
                _log.error("worker %d ended with %d; starting another", pid, process.returncode)
                self._spawn()
        return failed

    def _spawn(self) -> None:
        descriptor = self._listener.fileno()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "tandem_shared.worker",
                self._service.name, self._service.settings, self._service.factory, str(descriptor),
            ],
            pass_fds=(descriptor,),
        )  # fmt: skip
        self._workers[process.pid] = (process, time.monotonic())
        if self._stopping:
            process.terminate()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        for process, _ in list(self._workers.values()):
            process.terminate()


def command(main: Callable[[], int]) -> int:
    """Run a command's main; a SettingsError becomes one sentence and exit status 2."""
    try:
        return main()
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
