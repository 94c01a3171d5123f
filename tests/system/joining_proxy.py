"""A small HTTP proxy that joins both services, as an ingress does.

By path it is a reverse proxy: artifact paths go to the artifacts service, all else to metadata.
By URL it is a forward proxy that knows invented host names, so that a client can be given a
location without a port though no test may listen on port 80.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests

from tests.system.services import Stack

_ARTIFACTS = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")
_HOP_BY_HOP = frozenset(
    {"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding"}
)


@contextmanager
def join(
    stack: Stack,
    hosts: Mapping[str, str] | None = None,
    *,
    port: int = 0,
    address: str = "127.0.0.1",
    admit: Callable[[Mapping[str, str]], bool] = lambda _: True,
    keep_host: bool = False,
) -> Iterator[str]:
    """Serve until left; yields the proxy's URL. `hosts` maps invented names to services' URLs.

    Requests whose headers are not to `admit` are answered 401, as by an ingress that authenticates.
    With `keep_host` the services see the Host header of the proxy's caller.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            if not admit(self.headers):
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic")
                self.send_header("Content-Length", "0")
                self.end_headers()
                self.close_connection = True
                return
            parts = urlsplit(self.path)
            if parts.netloc:
                target = (hosts or {})[parts.netloc]
            elif self.path.startswith(_ARTIFACTS):
                target = stack.artifacts.url
            else:
                target = stack.metadata.url
            path = self.path.removeprefix(f"http://{parts.netloc}") if parts.netloc else self.path
            kept = {"Host": self.headers["Host"]} if keep_host else {}
            response = requests.request(
                self.command,
                target + path,
                headers=_end_to_end(self.headers) | kept,
                data=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                allow_redirects=False,
                timeout=60,
            )
            self.send_response(response.status_code)
            for name, value in _end_to_end(response.headers).items():
                if name.lower() not in ("content-length", "content-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = relay  # noqa: N815

        def log_message(self, *_: object) -> None:
            """The services log these requests themselves."""

    server = ThreadingHTTPServer((address, port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
