"""TLS as clients meet it, under each ASGI server."""

import contextlib
import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.certificates import HERE, Authority
from tests.harness.processes import Process, eventually
from tests.shared.serving.conftest import Starter
from tests.shared.serving.test_asgi_servers import HOST, statuses
from tests.shared.serving.test_descriptors import LIMIT, LIMITED, SAID, connected, is_closed
from tests.shared.serving.test_serve import WORKERS, children, metrics, refuses

GREET = b"GET /greet HTTP/1.1\r\n" + HOST + b"\r\n"
FAILED = "tandem_tls_handshake_failures_total{}"
LARGE = 32 * 1024 * 1024


@dataclass
class Tls:
    """Certificates, and services that have them."""

    authority: Authority
    folder: Path
    start: Starter

    def issue(self, name: str) -> None:
        """A certificate of that name in place of the service's."""
        for file, to in zip(
            self.authority.issue(name, [name, *HERE]), ("tls.crt", "tls.key"), strict=True
        ):
            # A worker that looks between the two takes them up twice, and says so twice.
            # Written apart and renamed, as careful tools do.
            shutil.copy(file, self.folder / "new")
            os.rename(self.folder / "new", self.folder / to)

    def serve(self, *flags: str, options: dict[str, Any] | None = None, **more: Any) -> Process:
        certificate = (f"--tls_cert={self.folder}/tls.crt", f"--tls_key={self.folder}/tls.key")
        known = {"verify": self.client()} if options is None else options
        more["environ"] = {"TINY_LOOK_SECONDS": "0.1", **more.get("environ", {})}
        return self.start("--port=0", *certificate, *flags, options=known, **more)

    def client(self, certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
        """A client's context, which trusts the authority."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    @contextlib.contextmanager
    def connect(
        self, process: Process, context: ssl.SSLContext | None = None
    ) -> Iterator[ssl.SSLSocket]:
        with (
            process.connect() as bare,
            (context or self.client()).wrap_socket(bare, server_hostname="localhost") as encrypted,
        ):
            yield encrypted

    def served(self, process: Process) -> str:
        """The name in the certificate that a new connection gets."""
        with self.connect(process) as connection:
            certificate = connection.getpeercert()
        assert certificate
        return str(dict(pair[0] for pair in certificate["subject"])["commonName"])


@pytest.fixture
def tls(start: Starter, tmp_path: Path) -> Tls:
    folder = tmp_path / "tls"
    folder.mkdir()
    made = Tls(Authority.create(tmp_path), folder, start)
    made.issue("first")
    return made


def says(process: Process, what: str) -> bool:
    return what in process.output()


@WORKERS
def test_a_service_with_a_certificate_speaks_https_and_says_so(tls: Tls, workers: str) -> None:
    process = tls.serve(workers)
    assert process.url.startswith("https://127.0.0.1:")
    answer = process.get("/tls")
    assert answer.http_version == "HTTP/1.1"
    assert answer.json()["scheme"] == "https"
    assert answer.json()["tls"]["tls_version"] == 0x0304
    assert answer.json()["tls"]["client_cert_name"] is None
    posted = httpx.post(f"{process.url}/echo", json={"a": "ü"}, verify=tls.client())
    assert posted.json() == {"a": "ü"}
    page = {"Origin": process.url, "Sec-Fetch-Site": "same-origin"}
    posted = httpx.post(f"{process.url}/echo", json={}, headers=page, verify=tls.client())
    assert posted.status_code == 200
    assert process.stop() == 0
    assert '"ERROR"' not in process.output()


def test_tls_1_2_is_spoken_and_nothing_older(tls: Tls) -> None:
    process = tls.serve()
    context = tls.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert process.get("/tls", verify=context).json()["tls"]["tls_version"] == 0x0303
    with tls.connect(process, context) as connection:
        assert "ECDHE" in (connection.cipher() or ("",))[0]
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError), tls.connect(process, old):
        pytest.fail("TLS 1.1 was spoken")


def test_http_2_is_offered_only_where_it_was_asked_for(tls: Tls) -> None:
    context = tls.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls.connect(tls.serve(), context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
    if tls.start.asgi_server == "hypercorn":
        process = tls.serve("--h2c=true")
        with httpx.Client(http2=True, verify=tls.client()) as client:
            answer = client.get(f"{process.url}/tls")
            assert (answer.http_version, answer.json()["scheme"]) == ("HTTP/2", "https")
            assert answer.json()["tls"]["tls_version"] == 0x0304
        assert process.stop() == 0


def test_what_is_no_tls_is_told_in_the_log(tls: Tls) -> None:
    process = tls.serve()
    with process.connect() as connection:
        connection.sendall(GREET)
        with contextlib.suppress(ConnectionError):
            assert statuses(connection.recv(65536)) == []
    eventually(lambda: says(process, "speaks HTTP without TLS"), "it is told")
    assert metrics(process)[FAILED] == 1


def test_a_client_that_is_asked_for_a_certificate_is_told_so(tls: Tls, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "tls")  # of another key
    ca = f"--tls_client_ca={tls.authority.certificate}"
    mine = tls.client(tls.authority.issue("alice", ["alice", *HERE]))
    process = tls.serve(ca, options={"verify": mine})
    said = process.get("/tls").json()["tls"]
    assert said["client_cert_name"] == "CN=alice"
    assert said["client_cert_chain"][0].startswith("-----BEGIN CERTIFICATE-----")
    for context, alert, logged in (
        (tls.client(), "certificate required", "peer did not return a certificate"),
        (tls.client(other.issue("mallory", HERE)), "unknown ca", "certificate is refused"),
        (
            tls.client(tls.authority.issue("late", HERE, days=-1)),
            "certificate expired",
            "certificate has expired",
        ),
    ):
        with pytest.raises(httpx.TransportError, match=f"(?i){alert}"):
            process.get("/greet", verify=context)
        eventually(partial(says, process, logged), "the reason is in the log")
    assert process.get("/greet").status_code == 200


def test_a_certificate_that_is_optional_is_checked_if_it_comes(tls: Tls, tmp_path: Path) -> None:
    other = Authority.create(tmp_path / "tls")
    ca = f"--tls_client_ca={tls.authority.certificate}"
    process = tls.serve(ca, "--tls_client_auth=optional")
    assert process.get("/tls").json()["tls"]["client_cert_name"] is None
    known = tls.client(tls.authority.issue("alice", ["alice"]))
    assert process.get("/tls", verify=known).json()["tls"]["client_cert_name"] == "CN=alice"
    with pytest.raises(httpx.TransportError):
        process.get("/greet", verify=tls.client(other.issue("mallory", HERE)))


@WORKERS
def test_probes_come_without_tls_to_a_port_of_their_own(tls: Tls, workers: str) -> None:
    mine = tls.client(tls.authority.issue("alice", ["alice"]))
    process = tls.serve(
        workers,
        f"--tls_client_ca={tls.authority.certificate}",
        "--probe_port=0",
        options={"verify": mine},
    )
    for path in ("/health", "/ready", "/metrics"):
        assert httpx.get(process.probes + path).status_code == 200
    refused = httpx.get(f"{process.probes}/greet")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert process.get("/greet").status_code == 200
    assert process.stop() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.probes}/health")


@WORKERS
def test_renewed_files_are_taken_up_without_cutting_a_connection(tls: Tls, workers: str) -> None:
    process = tls.serve(workers)
    assert tls.served(process) == "first"
    with tls.connect(process) as kept:
        kept.sendall(GREET)
        assert statuses(kept.recv(65536)) == [200]
        tls.issue("second")
        lines = len(children(process)) or 1
        told = "took up renewed files"
        eventually(lambda: process.output().count(told) >= lines, "all workers have seen it")
        eventually(lambda: tls.served(process) == "second", "it is served")
        kept.sendall(GREET)
        assert statuses(kept.recv(65536)) == [200]
    (tls.folder / "tls.key").write_text("nothing")
    told = "the old ones stay in use"
    eventually(lambda: process.output().count(told) >= lines, "all workers tell of it")
    assert tls.served(process) == "second"
    tls.issue("third")
    eventually(lambda: tls.served(process) == "third", "the repaired files are taken up")


def test_a_worker_that_is_replaced_has_the_renewed_files(tls: Tls) -> None:
    process = tls.serve("--workers=2")
    tls.issue("second")
    told = "took up renewed files"
    eventually(lambda: process.output().count(told) >= 2, "both workers have seen it")
    before = children(process)
    for pid in before:
        os.kill(pid, 9)
    seen = process.output().count(told)
    eventually(lambda: len(children(process) - before) == 2, "others are there")
    eventually(lambda: process.output().count(told) >= seen + 2, "they have seen it too")
    assert tls.served(process) == "second"


@WORKERS
def test_files_of_no_use_end_the_start_with_a_sentence(tls: Tls, workers: str) -> None:
    (tls.folder / "tls.key").unlink()
    process = tls.serve(workers, ready=False)
    assert process.wait() == 2
    assert process.output() == (
        f"error: --tls-key {tls.folder}/tls.key cannot be read: No such file or directory.\n"
    )


def test_an_expired_certificate_is_served_with_a_warning(tls: Tls) -> None:
    for file, to in zip(
        tls.authority.issue("old", HERE, days=-1), ("tls.crt", "tls.key"), strict=True
    ):
        shutil.copy(file, tls.folder / to)
    process = tls.serve(options={"verify": False})
    assert process.get("/greet").status_code == 200
    assert process.output().count("expired on 20") == 1


@WORKERS
def test_idle_connections_do_not_delay_the_stop(tls: Tls, workers: str) -> None:
    process = tls.serve(workers, "--graceful_timeout=60")
    with (
        httpx.Client(verify=tls.client()) as client,
        process.connect(),
        tls.connect(process) as silent,
    ):
        assert client.get(process.url + "/greet").status_code == 200
        silent.sendall(b"GET /greet HTTP/1.1\r\nHost: localh")
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 8  # asyncio would wait for 30 s
    assert '"ERROR"' not in process.output()
    assert refuses(process)


def test_a_client_that_reads_slowly_gets_all_of_an_answer_that_is_the_last(tls: Tls) -> None:
    process = tls.serve()
    with process.connect() as bare:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with tls.client().wrap_socket(bare, server_hostname="localhost") as client:
            client.sendall(b"GET /large HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
            received = 0
            while piece := client.recv(65536):
                received += len(piece)
                if received < 2 * 1024 * 1024:
                    time.sleep(0.01)
    assert received > LARGE
    eventually(lambda: process.get("/greet").status_code == 200, "it goes on")


def test_a_client_that_reads_nothing_does_not_delay_the_stop(tls: Tls) -> None:
    process = tls.serve("--graceful_timeout=0.2")
    with tls.connect(process) as client:
        client.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n")
        assert client.recv(100)
        began = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - began < 15
    assert "Traceback" not in process.output()


def test_a_request_in_one_piece_with_the_end_of_the_handshake_is_answered(tls: Tls) -> None:
    process = tls.serve()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with process.connect() as connection:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        client.write(GREET)
        connection.sendall(outgoing.read())
        received = b""
        while b"}" not in received:
            try:
                received += client.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))
    assert statuses(received) == [200]


def test_a_handshake_that_does_not_come_is_given_up(tls: Tls) -> None:
    process = tls.serve(environ={"TINY_FIRST_REQUEST_SECONDS": "0.5"})
    with process.connect() as silent:
        silent.settimeout(10)
        with contextlib.suppress(ConnectionError):
            assert silent.recv(1) == b""


def test_handshakes_that_do_not_come_make_room_for_others(tls: Tls) -> None:
    """They count as connections, of which there may be three quarters of the descriptors."""
    process = tls.serve(command=LIMITED)
    with connected(process, 2 * LIMIT) as idle:
        for _ in range(3):
            assert process.get("/greet").status_code == 200
        eventually(lambda: sum(map(is_closed, idle)) > LIMIT, "the oldest are closed")
    assert process.output().count(SAID) >= 1
    assert "Traceback" not in process.output()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tls_key=x"], "--tls-key needs --tls-cert"),
        (["--tls_client_ca=x"], "--tls-client-ca needs --tls-cert"),
        (["--tls_client_auth=maybe"], "--tls-client-auth must be required or optional."),
        (["--tls_client_auth=required"], "--tls-client-auth needs --tls-client-ca"),
        (["--tls_client_auth=optional"], "--tls-client-auth needs --tls-client-ca"),
        (["--probe_port=70000"], "--probe-port must be between 0 and 65535, not 70000."),
        (["--port=5999", "--probe_port=5999"], "--probe-port must be another than --port."),
    ],
)
def test_flags_that_do_not_go_together_end_the_start(
    starter: Starter, flags: list[str], sentence: str
) -> None:
    process = starter(*flags, ready=False)
    assert process.wait() == 2
    assert sentence in process.output()
