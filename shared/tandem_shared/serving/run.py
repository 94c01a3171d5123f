"""Runs a service: one process or several on one socket, with a graceful stop.

On SIGTERM or SIGINT:

1. `/ready` answers 503, and every answer closes its connection.
2. The socket closes after `shutdown_delay` seconds.
3. Requests in flight are cancelled after another `graceful_timeout` seconds.
4. The process exits with 0.
"""

import asyncio
import dataclasses
import functools
import gc
import importlib
import importlib.util
import logging
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tandem_shared.errors import ApiError
from tandem_shared.http.health import READINESS
from tandem_shared.security import exposure
from tandem_shared.serving import signals, systemd
from tandem_shared.serving.launch import Service
from tandem_shared.serving.listener import Listener, raise_descriptor_limit
from tandem_shared.serving.options import Server, ServerOptions
from tandem_shared.serving.supervisor import Supervisor
from tandem_shared.serving.tls_loop import TlsLoop
from tandem_shared.settings import CommonSettings, SettingsError
from tandem_shared.tls import contexts
from tandem_shared.tls.files import Files, PemFile
from tandem_shared.tls.scope import TlsExtension
from tandem_shared.tls.server_side import ServerContext

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

    A socket that systemd hands over is listened on instead of host and port. Raises SettingsError
    when the address cannot be listened on, when a file of TLS is of no use, or when the ASGI server
    is missing.
    """
    _check_server(service, settings)
    raise_descriptor_limit()
    tls = _server_context(settings)
    sockets = [
        systemd.inherited_socket() or _listen(settings.host, settings.port, "--port"),
    ]
    host = sockets[0].getsockname()[0]
    exposure.check(settings, host)
    listens = f"listens on {_url('https' if tls else 'http', sockets[0])}"
    print(f"{service.name} {listens}", file=sys.stderr, flush=True)
    exposure.warn(settings, host)
    if settings.probe_port is not None:
        sockets.append(_listen(settings.host, settings.probe_port, "--probe-port"))
        settings = dataclasses.replace(settings, probe_port=sockets[1].getsockname()[1])
        at = _url("http", sockets[1])
        print(f"{service.name} answers probes and scrapes on {at}", file=sys.stderr, flush=True)
    for each in sockets:
        each.setblocking(False)
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
        app: ASGIApp = factory(settings)
        in_flight = InFlightRequests(TlsExtension(app) if tls else app, serving)
        _freeze_gc()
        signals.remember_signals()
        listener = Listener(fileno=sockets[0].detach())
        probes = [Listener(fileno=each.detach(), beside=listener) for each in sockets[1:]]
        options = _options(settings, probes[0] if probes else None)
        loop = functools.partial(TlsLoop, listener, tls, FIRST_REQUEST_SECONDS) if tls else None
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(
                _serve(in_flight, server, settings, listener, options, tls, lifeline, stopping)
            )
        signals.ignore_signals()
        return 0

    if settings.workers == 1:
        return work(None, on_ready, on_stop)
    _freeze_gc()
    supervisor = Supervisor(work, settings.workers, sockets, on_ready=on_ready, on_stop=on_stop)
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
    listener: Listener,
    options: ServerOptions,
    tls: ServerContext | None,
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

    following = loop.create_task(tls.follow()) if tls else None

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
        if isinstance(loop, TlsLoop):
            loop.abort_handshakes()

    loop.set_exception_handler(functools.partial(_report, listener))
    await server.serve(in_flight, listener, options, until=stopped)
    if following:
        following.cancel()


def _options(settings: CommonSettings, probes: Listener | None) -> ServerOptions:
    return ServerOptions(
        graceful_timeout=settings.graceful_timeout,
        clean_up_timeout=_CLEAN_UP_SECONDS,
        first_request_timeout=FIRST_REQUEST_SECONDS,
        keep_alive_timeout=KEEP_ALIVE_SECONDS,
        backlog=BACKLOG,
        h2c=settings.h2c,
        probes=probes,
    )


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


def check(service: Service, settings: CommonSettings) -> None:
    """Raise SettingsError for what `run` would refuse before it listens; listens on nothing."""
    _check_server(service, settings)
    _server_context(settings)
    exposure.check(settings, settings.host)


def _check_server(service: Service, settings: CommonSettings) -> None:
    if settings.asgi_server == "uvicorn":
        if not all(importlib.util.find_spec(name) for name in ("uvicorn", "httptools")):
            raise SettingsError(
                "--asgi-server uvicorn needs packages that are not installed: install "
                f"{service.name}[uvicorn]."
            )


def _server_context(settings: CommonSettings) -> ServerContext | None:
    if not settings.tls_cert:
        return None
    key, authorities = settings.tls_key, settings.tls_client_ca
    files = Files(
        certificate=PemFile("--tls-cert", settings.tls_cert),
        key=PemFile("--tls-key", key) if key else None,
        authorities=PemFile("--tls-client-ca", authorities) if authorities else None,
    )
    ask = ssl.CERT_OPTIONAL if settings.tls_client_auth == "optional" else ssl.CERT_REQUIRED
    make = functools.partial(contexts.of_server, files, ask_client=ask, http2=settings.h2c)
    return ServerContext(files, make, "server")


def _url(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _listen(host: str, port: int, flag: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --host or {flag}."
        ) from error
    listener.listen(BACKLOG)
    return listener


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
