"""Traefik of deploy/compose.yaml, where it asks others: who somebody is, and for a certificate.

What stands behind it is not Tandem: its answers only say that a request has come through.
"""

import http.server
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests import debian
from tests.cluster.compose_project import Project, prepare_files
from tests.harness.certificates import Authority
from tests.harness.processes import environment, eventually, free_ports, running
from tests.kubernetes import compose

HOST = "mlflow.test"
Answer = Callable[[Any], tuple[int, str]]


@contextmanager
def answering(address: tuple[str, int], answer: Answer) -> Iterator[str]:
    """A server whose answers `answer` makes of the headers; gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answer(self.headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(address, Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address[0]}:{server.server_port}"
        server.shutdown()


@contextmanager
def edge(
    directory: Path, ports: tuple[int, int], given: dict[str, str], **variables: str
) -> Iterator[Project]:
    """Traefik alone on its two ports, with `given` as deploy/.env and further variables."""
    settings = {"TANDEM_HOST": f"localhost:{ports[0]}", **given}
    read = compose.read({**compose.SECRETS, **settings})["services"]
    project = Project(directory, "nowhere:5432/none", settings, ports, read)
    prepare_files(project)
    behind = {"metadata": 5000, "artifacts-1": 5500, "artifacts-2": 5500}
    with ExitStack() as stack:
        for name, port in behind.items():
            reached = name.partition("-")[0]
            address = (project.addresses[name], port)
            stack.enter_context(answering(address, lambda _, reached=reached: (200, reached)))
        done = project.run("prepare")
        assert done.returncode == 0, done.stderr
        project.start("traefik", **variables)
        try:
            project.wait_healthy("traefik")
            yield project
        finally:
            project.processes["traefik"].kill()
            project.processes["traefik"].wait()


def test_forwarded_requests_pass_when_the_other_service_says_so(tmp_path: Path) -> None:
    def known(headers: Any) -> tuple[int, str]:
        assert headers["X-Forwarded-Uri"]
        if headers["Authorization"] == "Bearer good":
            return 200, ""
        return 401, "log in first"

    http_port, https_port = free_ports(2)
    with (
        answering(("127.0.0.1", 0), known) as url,
        edge(
            tmp_path,
            (http_port, https_port),
            {"TANDEM_EDGE_AUTH": "forward", "TANDEM_EDGE_AUTH_URL": url},
        ) as project,
    ):
        good = {"Authorization": "Bearer good"}
        eventually(lambda: project.get("/", headers=good, auth=None).ok, "routes are there")
        for path, reached in {
            "/": "metadata",
            "/api/2.0/mlflow/experiments/get": "metadata",
            "/api/2.0/mlflow-artifacts/artifacts/a": "artifacts",
        }.items():
            # requests would put the user in, whom the project has for Basic.
            answer = requests.get(f"{project.url}{path}", headers=good, timeout=10)
            assert (answer.status_code, answer.text) == (200, reached)
            for headers in ({}, {"Authorization": "Bearer bad"}):
                answer = requests.get(f"{project.url}{path}", headers=headers, timeout=10)
                assert (answer.status_code, answer.text) == (401, "log in first")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_certificates_come_from_an_authority_by_acme(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the volume of certificates cannot be given to Traefik's user")
    team = {"TANDEM_HOST": HOST, "TANDEM_TLS": "acme", "TANDEM_ACME_MAIL": "ops@example.com"}
    http_port, https_port = free_ports(2)
    authority = Authority.create(tmp_path)
    trusted = {"LEGO_CA_CERTIFICATES": str(authority.certificate)}
    with pebble(tmp_path, authority, https_port) as team["TANDEM_ACME_SERVER"]:
        with edge(tmp_path, (http_port, https_port), team, **trusted) as project:
            eventually(lambda: issued(project, HOST), "a certificate", seconds=90)
        kept = tmp_path / "certificates" / "acme.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        (found,) = json.loads(kept.read_text())["letsencrypt"]["Certificates"]
        assert found["domain"] == {"main": HOST}


def issued(project: Project, host: str) -> bool:
    """Whether Traefik shows a certificate of Pebble's for a host."""
    context = ssl._create_unverified_context()
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", project.ports[1]), 5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        shown = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
        (issuer,) = shown.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        pebbles = str(issuer.value).startswith("Pebble Intermediate")
        return pebbles and names.get_values_for_type(x509.DNSName) == [host]
    return False


@contextmanager
def pebble(directory: Path, authority: Authority, tls: int) -> Iterator[str]:
    """Let's Encrypt's server for tests, which finds every host at this machine's port `tls`.

    Gives the address of its directory.
    """
    listen, management, dns = free_ports(3)
    certificate, key = authority.issue("pebble", ["localhost"])
    configuration = {
        "listenAddress": f"127.0.0.1:{listen}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": certificate,
        "privateKey": key,
        "httpPort": 1,
        "tlsPort": tls,
    }
    path = directory / "pebble.json"
    path.write_text(json.dumps({"pebble": configuration}))
    names = [debian.find("pebble-challtestsrv", package="pebble"), "-dns01", f"127.0.0.1:{dns}"]
    names += ["-management", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]
    names += ["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]
    server = [debian.find("pebble", package="pebble"), "-config", path]
    server += ["-dnsserver", f"127.0.0.1:{dns}"]
    quick = environment(PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0")
    there = f"https://localhost:{listen}/dir"
    with (
        running(names, directory / "names.log", lambda: True),
        running(server, directory / "pebble.log", lambda: is_there(there), env=quick),
    ):
        yield there


def is_there(url: str) -> bool:
    try:
        return requests.get(url, verify=False, timeout=5).ok
    except requests.ConnectionError:
        return False
