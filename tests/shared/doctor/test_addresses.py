"""Addresses as clients meet them: real servers whose certificates, clocks and answers are wrong."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tandem_shared.doctor import certificates, own, peers
from tandem_shared.doctor.findings import Failed, Finding, Status
from tandem_shared.doctor.web import Site
from tandem_shared.tls import client_side
from tests.harness.certificates import HERE, Authority
from tests.harness.processes import free_port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@contextmanager
def serving(
    files: tuple[str, str] | None = None, *, ahead: float = 0.0, date: bool = True
) -> Iterator[int]:
    """The port of a small server, with a certificate, or a clock that is ahead."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            if date:
                now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ahead)
                self.send_header("Date", format_datetime(now, usegmt=True))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def trusting(authority: Authority | None) -> ssl.SSLContext:
    path = str(authority.certificate) if authority else None
    return client_side.fixed("metadata", authorities=path, certificate=None, key=None)


def looked(port: int, context: ssl.SSLContext) -> Finding:
    site = Site(f"https://127.0.0.1:{port}", "--the-url", seconds=20, context=context)
    (found,) = certificates.look(site, context, "name it by --the-ca")
    return found


@pytest.mark.parametrize(
    ("names", "days", "status", "said"),
    [
        (HERE, 90, Status.OK, "is trusted, and good until 20"),
        (HERE, 3, Status.WARNING, "in 2 days"),
        (HERE, -1, Status.FAILURE, "has expired on 20"),
        (("a.example.com", "b.example.com"), 90, Status.FAILURE,
         "is for a.example.com, b.example.com, and not for 127.0.0.1"),
    ],
)  # fmt: skip
def test_a_certificate_is_judged_by_names_and_dates(
    authority: Authority, names: tuple[str, ...], days: int, status: Status, said: str
) -> None:
    with serving(authority.issue("a", names, days=days)) as port:
        found = looked(port, trusting(authority))
    assert (found.status, said in found.said) == (status, True), found
    assert bool(found.cure) == (status is not Status.OK)


def test_an_unknown_authority_is_told_with_the_flag_that_names_it(authority: Authority) -> None:
    with serving(authority.issue("a", HERE)) as port:
        found = looked(port, trusting(None))
    assert found.status is Status.FAILURE
    assert "the chain is incomplete, or the authority is one of your own" in found.said
    assert "name it by --the-ca" in found.cure


def test_clients_of_mlflow_trust_what_their_variables_name(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    with serving(authority.issue("a", HERE, days=90)) as port:
        assert looked(port, own.client_context()).status is Status.OK
        assert looked(port, own.client_context({})).status is Status.FAILURE


def _closed() -> str:
    return f"http://127.0.0.1:{free_port()}"


@contextmanager
def _silent() -> Iterator[str]:
    """A port that takes connections, and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def failed(url: str, seconds: float = 20) -> Finding:
    with pytest.raises(Failed) as raised:
        Site(url, "--the-url", seconds=seconds, context=trusting(None)).ask("GET", "/health")
    return raised.value.finding


def test_what_does_not_answer_is_told_apart(authority: Authority) -> None:
    assert "nobody listens on port" in failed(_closed()).said
    assert "no address is known for the name" in failed("http://nowhere.invalid").said
    assert "is no address" in failed("mlflow.example.com").said
    with _silent() as url:
        assert "no answer came within 0.2 seconds" in failed(url, 0.2).said
    with serving() as port:
        found = failed(f"https://127.0.0.1:{port}")
    assert "does not speak TLS" in found.said
    assert "http://" in found.cure
    with serving(authority.issue("a", HERE)) as port:
        found = failed(f"http://127.0.0.1:{port}")
    assert "https://" in found.cure
    assert "secret" not in failed(f"http://me:secret@127.0.0.1:{free_port()}").said


@pytest.mark.parametrize(
    ("ahead", "status", "said"),
    [
        (0, Status.OK, "agrees"),
        (12, Status.WARNING, "s ahead of this one"),
        (-12, Status.WARNING, "s behind this one"),
        (3600, Status.FAILURE, "s ahead of this one"),
        (-3600, Status.FAILURE, "s behind this one"),
    ],
)
def test_clocks_are_compared_by_the_date_of_an_answer(
    ahead: float, status: Status, said: str
) -> None:
    with serving(ahead=ahead) as port:
        answer = Site(f"http://127.0.0.1:{port}", "--u", seconds=20).ask("GET", "/")
    (found,) = peers.clock(answer, "it")
    assert (found.status, said in found.said) == (status, True), found


def test_an_answer_without_a_date_tells_no_clock() -> None:
    with serving(date=False) as port:
        answer = Site(f"http://127.0.0.1:{port}", "--u", seconds=20).ask("GET", "/")
    (found,) = peers.clock(answer, "it")
    assert found.status is Status.SKIPPED


@pytest.mark.parametrize(
    ("days", "status"), [(90, Status.OK), (3, Status.WARNING), (-1, Status.FAILURE)]
)
def test_the_own_certificate_is_judged_by_its_file(
    authority: Authority, days: int, status: Status
) -> None:
    path, _ = authority.issue("a", HERE, days=days)
    (found,) = certificates.of_file(path, "--tls-cert")
    assert found.status is status
