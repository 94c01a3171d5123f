"""The port for probes and scrapes, which answers nothing else."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tandem_shared.errors import PermissionDenied
from tandem_shared.http.exchange import Exchange
from tandem_shared.http.router import error_response
from tandem_shared.security.hosts_and_origins import ALWAYS_ANSWERED
from tandem_shared.settings import CommonSettings


def limited(app: ASGIApp, settings: CommonSettings) -> ASGIApp:
    """Wrap an application so that connections to `--probe-port` reach `ALWAYS_ANSWERED` alone.

    The port is the socket's own, which no header can change.
    """
    port = settings.probe_port
    if port is None:
        return app
    answered = frozenset(settings.static_prefix + path for path in ALWAYS_ANSWERED)

    async def limit(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in answered:
            server = scope.get("server")
            if server and server[1] == port:
                error = PermissionDenied(
                    f"This port answers {', '.join(sorted(answered))} alone; the service's own is "
                    "another."
                )
                await Exchange(receive, send).refuse(error_response(error), scope)
                return
        await app(scope, receive, send)

    return limit
