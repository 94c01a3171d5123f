"""A server of an attacker, whose pages a victim's browser opens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Attacker:
    """Its pages are those that tests give it; what is sent to it is kept."""

    def __init__(self, port: int) -> None:
        self.elsewhere = f"http://evil.localhost:{port}"
        """Of another site than a service on 127.0.0.1."""
        self.next_door = f"http://127.0.0.1:{port}"
        """Of the same host as the service, whose cookies know no port; it is another origin."""
        self.html = ""
        """The page at every path that begins with `/page`."""
        self.received: list[str] = []
        """All other paths that were asked for, in order."""


@contextmanager
def listening() -> Iterator[Attacker]:
    """An attacker on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b""
            if self.path.startswith("/page"):
                body = attacker.html.encode()
            elif self.path != "/favicon.ico":
                attacker.received.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    attacker = Attacker(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield attacker
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
