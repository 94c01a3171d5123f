"""The examples of security at the edge, with a stock client and without credentials."""

import base64
import hashlib
import secrets as random
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cluster import edge, edge_security, manifests, names, stock_client
from tests.cluster.edge import Edge
from tests.cluster.installation import (
    ARTIFACTS,
    LAYOUTS,
    METADATA,
    SECONDS,
    Installation,
    client_environment,
)
from tests.harness.certificates import Authority
from tests.kubernetes import tools

USER, PASSWORD = "alice", "pässword:1"
TOKEN = random.token_hex(32)
CHECKER = "edge-tokens.tandem.svc.cluster.local:8080"
ASKED = {
    "mlflow": ("/", "/api/2.0/mlflow/experiments/get?experiment_id=0", "/metrics", "/health", "/x"),
    "artifacts": ("", "?path=0", "/0/file"),
}


@dataclass(frozen=True)
class Secured:
    """An edge that asks who comes, and how those answer who may."""

    way: str
    """An example."""
    kind: str
    """basic, bearer or mtls."""
    edge: Edge
    variables: Mapping[str, str]
    """Of the stock client, with the right credentials."""
    options: Mapping[str, Any]
    """The same for requests."""


EXAMPLES = {
    "basic": "edge-basic-traefik",
    "bearer": "edge-bearer-traefik",
    "mtls": "edge-mtls-traefik",
    "gateway-basic": "gateway-basic-traefik",
}


@pytest.fixture(params=["basic", "bearer", "mtls"])
def secured(
    request: pytest.FixtureRequest, installation: Installation, tmp_path: Path
) -> Iterator[Secured]:
    way = request.param
    kind, by_gateway = way.removeprefix("gateway-"), way.startswith("gateway-")
    routed = "httpRoute.enabled=true" if by_gateway else "ingress.tls.enabled=true"
    chart = tools.CHART
    objects = tools.render_chart(
        chart / "ci" / "production-values.yaml",
        chart / "examples" / f"{EXAMPLES[way]}-values.yaml",
        sets=(*LAYOUTS[installation.layout], routed),
    )
    authority = Authority.create(tmp_path)
    certificate, key = authority.issue("client", ["client"])
    both = tmp_path / "client-with-key.pem"
    both.write_text(Path(certificate).read_text() + Path(key).read_text())
    given = {
        "tandem-users": {"users": f"{USER}:{{SHA}}{_sha(PASSWORD)}"},
        "tandem-tokens": {"tokens.conf": f'"~^Bearer {TOKEN}$" alice;\n'},
        "tandem-client-ca": {"ca.crt": authority.certificate.read_text()},
    }
    variables, options = {
        "basic": (
            {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD},
            {"auth": (USER.encode(), PASSWORD.encode())},
        ),
        "bearer": ({"MLFLOW_TRACKING_TOKEN": TOKEN}, {"headers": _bearer(TOKEN)}),
        "mtls": ({"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(both)}, {"cert": str(both)}),
    }[kind]
    rendered = manifests.read(objects, tools.NAMESPACE)
    routes = rendered.http_routes if by_gateway else rendered.ingress_routes
    with ExitStack() as running:
        addresses = {}
        if kind == "bearer":
            addresses[CHECKER] = running.enter_context(
                edge_security.token_checker(objects, given, tmp_path / "checker")
            )
        amend = edge_security.amendment(objects, given, addresses, tmp_path)
        served = running.enter_context(
            edge.serve(
                tmp_path / "edge",
                routes,
                # A Gateway has the certificates of its listeners.
                rendered.certificate_names or [route.host for route in routes],
                installation.cluster.endpoints,
                amend,
            )
        )
        yield Secured(way, kind, served, variables, options)


def test_who_has_credentials_works_as_ever(
    installation: Installation, secured: Secured, tmp_path: Path
) -> None:
    name = f"{installation.layout}-{secured.way}"
    variables = client_environment(secured.edge, **secured.variables)
    found = stock_client.start(installation.url, name, tmp_path, variables).result(SECONDS)
    assert found["found"] == [found["run_id"]]
    assert found["same"]
    assert found["predicted"] == [0, 1]
    assert found["shown"] == {"listed": ["files"], "fetched": "snow", "page": "text/html"}


def test_a_client_may_trust_any_certificate(
    installation: Installation, secured: Secured, tmp_path: Path
) -> None:
    variables = client_environment(
        secured.edge,
        **secured.variables,
        MLFLOW_TRACKING_SERVER_CERT_PATH="",
        MLFLOW_TRACKING_INSECURE_TLS="true",
    )
    name = f"{installation.layout}-{secured.way}-insecure"
    assert stock_client.start(installation.url, name, tmp_path, variables).result(SECONDS)["same"]


@pytest.mark.parametrize("secured", EXAMPLES, indirect=True)
def test_who_has_none_gets_nowhere(
    installation: Installation, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dict.fromkeys(secured.edge.hosts, secured.edge.address)
    monkeypatch.setattr(socket, "getaddrinfo", names.resolver(known))
    wrong = {
        "basic": [{}, {"auth": (USER, "wrong")}, {"headers": _bearer(TOKEN)}],
        "bearer": [
            {},
            {"headers": _bearer(TOKEN.upper())},
            {"headers": _bearer(TOKEN + "0")},
            {"headers": {"Authorization": TOKEN}},
        ],
        "mtls": [{}],
    }[secured.kind]
    urls = [installation.url + path for path in ASKED["mlflow"]]
    urls += [installation.artifacts_url + path for path in ASKED["artifacts"]]
    for url in urls:
        for options in wrong:
            for method, body in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
                _refused(secured, method, url, body, options)
    for url in urls:
        # What was refused was not stored, and who may come in is asked nothing more.
        answer = _request(secured, "GET", url, None, secured.options)
        assert answer.status_code == (404 if url.endswith(("/x", "/file")) else 200), url


def test_probes_and_scrapes_from_inside_need_none(installation: Installation) -> None:
    for name in (METADATA, ARTIFACTS):
        for pod in installation.cluster.pods_of(name):
            assert not pod.answers["readiness"].failed or pod.answers["readiness"].passed
            (port,) = pod.container.ports.values()
            for path in ("/health", "/ready", "/metrics"):
                address = f"http://{pod.address}:{port}{installation.prefix}"
                assert requests.get(f"{address}{path}", timeout=10).ok


def _refused(
    secured: Secured, method: str, url: str, body: bytes | None, options: Mapping[str, Any]
) -> None:
    if secured.kind == "mtls":
        with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
            _request(secured, method, url, body, options)
        return
    answer = _request(secured, method, url, body, options)
    assert answer.status_code == 401, f"{method} {url} with {options}: {answer.status_code}"
    scheme = {"basic": "Basic ", "bearer": "Bearer "}[secured.kind]
    assert answer.headers["WWW-Authenticate"].startswith(scheme)


def _request(
    secured: Secured, method: str, url: str, body: bytes | None, options: Mapping[str, Any]
) -> requests.Response:
    return requests.request(
        method, url, data=body, verify=str(secured.edge.authority), timeout=30, **options
    )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _sha(password: str) -> str:
    """One of htpasswd's forms; its better one, bcrypt, needs a package."""
    return base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
