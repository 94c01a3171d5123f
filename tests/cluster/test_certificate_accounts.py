"""Users by client certificates that Traefik passes on: the example of values, and clients."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tandem_shared.auth.certificates import as_header
from tests.cluster import edge, edge_security, manifests, names, stock_client
from tests.cluster.cluster import Cluster
from tests.cluster.edge import Edge
from tests.cluster.installation import (
    ARTIFACTS,
    IMAGE,
    METADATA,
    MIGRATE,
    SECONDS,
    client_environment,
    database,
)
from tests.cluster.test_accounts import ADMIN
from tests.cluster.test_pod_tls import ONE_EACH
from tests.harness.certificates import Authority
from tests.kubernetes import tools
from tests.postgresql import PostgreSQL
from tests.seaweedfs import S3Server

EXAMPLE = tools.CHART / "examples" / "auth-certificates-traefik-values.yaml"
HERE = "auth.proxy.trustedProxies[0]=127.0.0.0/8"
"""Addresses of Traefik and of the pods on this machine."""


@dataclass(frozen=True)
class Certified:
    """Both services behind Traefik, and who issues its clients certificates."""

    cluster: Cluster
    edge: Edge
    clients: Authority

    def certificate(self, user: str) -> str:
        """One file with a user's certificate and key."""
        both = self.clients.directory / f"{user}-both.pem"
        if not both.exists():
            parts = self.clients.issue(user, [user])
            both.write_text("".join(Path(part).read_text() for part in parts))
        return str(both)

    def ask(self, user: str | None, url: str, **options: Any) -> requests.Response:
        cert = self.certificate(user) if user else None
        return requests.get(url, cert=cert, verify=str(self.edge.authority), timeout=30, **options)


@pytest.fixture(scope="module")
def certified(
    postgresql: PostgreSQL, bucket: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Certified]:
    directory = tmp_path_factory.mktemp("certificates")
    clients = Authority.create(directory)
    objects = tools.render_chart(
        tools.CHART / "ci" / "production-values.yaml", EXAMPLE, sets=(*ONE_EACH, HERE)
    )
    rendered = manifests.read(objects, tools.NAMESPACE)
    routes = rendered.ingress_routes
    given = {"tandem-client-ca": {"ca.crt": clients.certificate.read_text()}}
    with ExitStack() as running:
        secrets = running.enter_context(database(postgresql))
        secrets["tandem-admin"] = {"password": ADMIN[1]}
        cluster = running.enter_context(
            Cluster(rendered, directory, IMAGE, secrets, {ARTIFACTS: bucket.environ}).running()
        )
        cluster.finish(cluster.start_job(MIGRATE), seconds=60)
        cluster.wait_ready(
            [*cluster.start_deployment(METADATA), *cluster.start_deployment(ARTIFACTS)]
        )
        amend = edge_security.amendment(objects, given, {}, directory)
        hosts = [route.host for route in routes]
        front = running.enter_context(
            edge.serve(directory / "edge", routes, hosts, cluster.endpoints, amend)
        )
        for user in ("ann", "bob"):
            made = requests.post(
                f"http://{cluster.names[METADATA]}:5000/api/2.0/mlflow/users/create",
                json={"username": user, "password": f"{user}'s long password"},
                auth=ADMIN,
                timeout=30,
            )
            assert made.ok, made.text
        yield Certified(cluster, front, clients)


def test_a_stock_client_comes_by_its_certificate_and_no_other_reads_what_it_has(
    certified: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"MLFLOW_TRACKING_CLIENT_CERT_PATH": certified.certificate("ann")}
    variables = client_environment(certified.edge, **given)
    url = "https://mlflow.example.com"
    found = stock_client.start(url, "of-ann", tmp_path, variables).result(SECONDS)
    assert found["found"] == [found["run_id"]]
    assert found["same"]
    assert found["predicted"] == [0, 1]
    known = dict.fromkeys(certified.edge.hosts, certified.edge.address)
    monkeypatch.setattr("socket.getaddrinfo", names.resolver(known))
    run = f"{url}/api/2.0/mlflow/runs/get?run_id={found['run_id']}"
    info = certified.ask("ann", run).json()["run"]["info"]
    files = "https://artifacts.example.com/api/2.0/mlflow-artifacts/artifacts"
    folder = f"{files}?path={info['experiment_id']}/{found['run_id']}/artifacts"
    header = {"X-Forwarded-Tls-Client-Cert": as_header(_certificate(certified, "ann"))}
    for asked in (run, folder):
        for user, status in (("ann", 200), ("bob", 403), (None, 401)):
            assert certified.ask(user, asked).status_code == status, (user, asked)
            if user != "ann":  # the header of clients is not believed
                assert certified.ask(user, asked, headers=header).status_code == status
        password = ("ann", "ann's long password")
        assert certified.ask(None, asked, auth=password).status_code == 200


def _certificate(certified: Certified, user: str) -> str:
    text = Path(certified.certificate(user)).read_text()
    return text[: text.index("-----BEGIN PRIVATE")]
