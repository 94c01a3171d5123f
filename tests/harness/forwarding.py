"""An HTTP proxy before a server of this machine that looks at requests, or answers them itself."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_PIECE = 1 << 16
_OF_THE_CONNECTION = ("connection", "transfer-encoding", "keep-alive")


@dataclass(frozen=True)
class Answer:
    """What the client gets."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Forwarding(BaseHTTPRequestHandler):
    """Hands each request on as it is; subclasses say otherwise."""

    protocol_version = "HTTP/1.1"
    target: ClassVar[str]
    """`host:port` of the server."""
    dropped: ClassVar[tuple[str, ...]] = ()
    """Headers of requests, in lower case, that are kept back."""

    def answered(self, body: bytes) -> Answer | None:
        """The answer to a request with this body that is not handed on."""
        return None

    def changed(self, body: bytes) -> bytes:
        """The body of an answer to GET that `changes` says is to be another."""
        return body

    def changes(self) -> bool:
        """Whether `changed` is to be asked."""
        return False

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def answer(self) -> None:
        """Answer one request, of whatever method."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # The client has left.
            self.close_connection = True
        elif own := self.answered(body):
            self._send_own(own)
        else:
            self._pass_on(body)

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def _send_own(self, own: Answer) -> None:
        self.send_response_only(own.status)
        for name, value in {"Content-Length": str(len(own.body)), **own.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(own.body)

    def _pass_on(self, body: bytes) -> None:
        given = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in (*self.dropped, *_OF_THE_CONNECTION)
        }
        with contextlib.closing(http.client.HTTPConnection(self.target)) as behind:
            behind.request(self.command, self.path, body=body, headers=given)
            got = behind.getresponse()
            headers = {
                name: value
                for name, value in got.getheaders()
                if name.lower() not in _OF_THE_CONNECTION
            }
            if self.changes():
                headers = {n: v for n, v in headers.items() if n.lower() != "content-length"}
                self._send_own(Answer(got.status, self.changed(got.read()), headers))
                return
            self._stream(got, headers)

    def _stream(self, got: http.client.HTTPResponse, headers: dict[str, str]) -> None:
        self.send_response_only(got.status)
        for name, value in headers.items():
            self.send_header(name, value)
        bodiless = self.command == "HEAD" or got.status in (204, 304)
        chunked = not bodiless and got.getheader("Content-Length") is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not bodiless and (piece := got.read(_PIECE)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serve(handler: type[Forwarding]) -> Iterator[str]:
    """The address of a proxy."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as front:
        front.daemon_threads = True
        threading.Thread(target=front.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{front.server_port}"
        front.shutdown()
