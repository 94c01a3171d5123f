"""Runs a service: one process or several on one socket, with a graceful stop.

On SIGTERM or SIGINT:

1. `/ready` answers 503, and every answer closes its connection.
2. The socket closes after `shutdown_delay` seconds.
3. Requests in flight are cancelled after another `graceful_timeout` seconds.
4. The process exits with 0.
"""

import asyncio
import functools
import gc
import importlib
import importlib.util
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem_shared.errors import ApiError
from tandem_shared.http.health import READINESS
from tandem_shared.serving import signals, systemd
from tandem_shared.serving.launch import Service
from tandem_shared.serving.listener import Listener, raise_descriptor_limit
from tandem_shared.serving.options import Server, ServerOptions
from tandem_shared.serving.supervisor import Supervisor
from tandem_shared.settings import CommonSettings, SettingsError

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 620.0
"""Longer than load balancers keep an idle connection, so that they close it first.

A request that is on its way when the service closes fails. nginx and ALB keep connections for 60
seconds, Traefik for 90, Google's load balancers for 600.
"""

FIRST_REQUEST_SECONDS = 10.0
"""Time for a new connection to send the head of its first request."""

_CLEAN_UP_SECONDS = 5.0
"""Time for cancelled requests to clean up, such as half an upload."""

_log = logging.getLogger(__name__)


def run(service: Service, settings: CommonSettings) -> int:
    """Serve until told to stop; returns the exit status, in each worker process as well.

    A socket that systemd hands over is listened on instead of host and port.
    Raises SettingsError when the address cannot be listened on or the ASGI server is missing.
    """
    _check_server(service, settings)
    raise_descriptor_limit()
    listener = systemd.inherited_socket() or _listen(settings)
    listener.setblocking(False)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    listens = f"listens on http://{shown}:{port}"
    print(f"{service.name} {listens}", file=sys.stderr, flush=True)
    factory = _named(service.factory)
    server = importlib.import_module(f"tandem_shared.serving.{settings.asgi_server}_server")
    longest_stop = settings.shutdown_delay + settings.graceful_timeout + 2 * _CLEAN_UP_SECONDS

    def on_ready() -> None:
        systemd.notify_ready(listens)

    def on_stop() -> None:
        systemd.notify_stopping(longest_stop)

    def work(
        lifeline: int | None,
        serving: Callable[[], None],
        stopping: Callable[[], None] | None = None,
    ) -> int:
        app = InFlightRequests(factory(settings), serving)
        _freeze_gc()
        signals.remember_signals()
        asyncio.run(_serve(app, server, settings, listener, lifeline, stopping))
        signals.ignore_signals()
        return 0

    if settings.workers == 1:
        return work(None, on_ready, on_stop)
    _freeze_gc()
    supervisor = Supervisor(work, settings.workers, listener, on_ready=on_ready, on_stop=on_stop)
    return supervisor.run()


def _freeze_gc() -> None:
    """Exempt all objects that exist, such as code and tables, from garbage collection.

    Before a fork this also keeps the collector from writing to pages that workers share. It does
    not collect first: imports leave next to no garbage, and to collect takes a tenth of the start.
    """
    gc.freeze()


async def _serve(
    in_flight: "InFlightRequests",
    server: Server,
    settings: CommonSettings,
    listener: socket.socket,
    lifeline: int | None,
    stopping: Callable[[], None] | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in signals.SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if signals.STOP_REQUESTED.is_set():
        stop.set()
    if lifeline is not None:
        loop.add_reader(lifeline, stop.set)

    async def stopped() -> None:
        await stop.wait()
        if stopping:
            stopping()
        if lifeline is not None:
            loop.remove_reader(lifeline)
        READINESS.drain()
        await asyncio.sleep(settings.shutdown_delay)
        loop.call_later(settings.graceful_timeout, in_flight.cancel_all)
        _bound_the_rest(settings.graceful_timeout + _CLEAN_UP_SECONDS)

    accepting = Listener(fileno=listener.detach())
    loop.set_exception_handler(functools.partial(_report, accepting))
    options = ServerOptions(
        graceful_timeout=settings.graceful_timeout,
        clean_up_timeout=_CLEAN_UP_SECONDS,
        first_request_timeout=FIRST_REQUEST_SECONDS,
        keep_alive_timeout=KEEP_ALIVE_SECONDS,
        backlog=BACKLOG,
        h2c=settings.h2c,
    )
    await server.serve(in_flight, accepting, options, until=stopped)


class InFlightRequests:
    """The application, which tracks its requests in flight so that a stop can cancel them.

    The ASGI servers' own bounds do not serve: Hypercorn's cancels nothing from Python 3.12 on, as
    it waits for every connection first, and Uvicorn's does not wait until requests have cleaned up.

    An ApiError ends here without a traceback: the router has logged it, and each server closes a
    connection whose answer is incomplete.
    """

    def __init__(self, app: ASGIApp, serving: Callable[[], None]) -> None:
        """`serving` is called once the application has started and may be asked."""
        self._app = app
        self._serving = serving
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] == "lifespan":
            await self._app(scope, receive, functools.partial(self._send_of_lifespan, send))
            return
        if scope["type"] != "http" or task is None:
            await self._app(scope, receive, send)
            return
        self._tasks.add(task)
        try:
            await self._app(scope, receive, send)
        except ApiError:
            return
        finally:
            self._tasks.discard(task)

    async def _send_of_lifespan(self, send: Send, message: Message) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete":
            self._serving()

    def cancel_all(self) -> None:
        """Cancel them; each still cleans up after itself."""
        for task in self._tasks:
            task.cancel()


def _report(listener: Listener, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The loop's exception handler: logs what nobody has handled, except what is no fault.

    - Python 3.11 reports each cancelled connection.
    - asyncio reports that there are too many connections, which the listener logs itself. A second
      later it accepts again, from a socket that may have been closed meanwhile.
    """
    error = context.get("exception")
    if isinstance(error, asyncio.CancelledError):
        return
    if context["message"] == "socket.accept() out of system resource":
        return
    if isinstance(error, ValueError) and listener.fileno() < 0 and "handle" in context:
        return
    loop.default_exception_handler(context)


def _bound_the_rest(seconds: float) -> None:
    """End the process after some seconds: a thread of a handler cannot be cancelled."""

    def give_up() -> None:
        _log.warning("requests that could not be cut were abandoned")
        logging.shutdown()
        os._exit(0)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def _check_server(service: Service, settings: CommonSettings) -> None:
    if settings.asgi_server == "uvicorn":
        if not all(importlib.util.find_spec(name) for name in ("uvicorn", "httptools")):
            raise SettingsError(
                "--asgi-server uvicorn needs packages that are not installed: install "
                f"{service.name}[uvicorn]."
            )


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
    return listener


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
