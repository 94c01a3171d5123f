"""A receiver of webhooks on loopback: keeps what it gets and answers as it is told."""

import base64
import contextlib
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from tests.harness.processes import eventually


@dataclass(frozen=True)
class Received:
    """One request; names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def delivery_id(self) -> str:
        return self.headers["x-mlflow-delivery-id"]

    @property
    def event(self) -> Any:
        return msgspec.json.decode(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver checks it, by MLflow's documentation alone."""
        version, _, given = self.headers["x-mlflow-signature"].partition(",")
        timestamp = self.headers["x-mlflow-timestamp"]
        assert abs(int(timestamp) - time.time()) < 300
        content = f"{self.delivery_id}.{timestamp}.{self.body.decode()}"
        digest = hmac.new(secret.encode(), content.encode(), hashlib.sha256).digest()
        return version == "v1" and hmac.compare_digest(given, base64.b64encode(digest).decode())


@dataclass
class Receiver:
    """What came, by path; and what each path answers."""

    url: str
    received: list[Received] = field(default_factory=list)
    answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = field(default_factory=dict)
    """Answers to give in turn, the last of them for ever; 200 where there are none."""
    released: threading.Event = field(default_factory=threading.Event)
    """Until it is set, requests to paths that begin with /hang get no answer."""

    def answer(self, path: str, *statuses: int, body: bytes = b"ok", **headers: str) -> str:
        """Have a path answer with these statuses in turn; returns its URL."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = [(status, fields, body) for status in statuses]
        return self.url + path

    def at(self, path: str) -> list[Received]:
        return [each for each in list(self.received) if each.path == path]

    def wait(self, path: str, count: int = 1, seconds: float = 30) -> list[Received]:
        """The requests to a path, once there are so many."""
        eventually(lambda: len(self.at(path)) >= count, f"{count} requests to {path}", seconds)
        return self.at(path)


@contextlib.contextmanager
def receiving(wrap: Callable[[Any], Any] = lambda socket: socket) -> Iterator[Receiver]:
    """A receiver on a port of its own; `wrap` may put TLS around its socket."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            if self.path.startswith("/hang"):
                receiver.released.wait(120)
            waiting = receiver.answers.get(self.path) or [(200, {}, b"ok")]
            status, fields, answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            receiver.received.append(Received(self.path, {}, b""))
            self.send_error(405)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            pass  # a sender that gave up, or did not like the certificate

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = wrap(server.socket)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
