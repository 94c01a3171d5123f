"""TLS as far as the pods: from Traefik, from metadata to artifacts, for probes and for scrapes.

cert-manager's part is played here: a Secret for each Certificate, of the authority of this run.
"""

import contextlib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.cluster import edge, prometheus, stock_client
from tests.cluster.cluster import Cluster
from tests.cluster.edge import Edge
from tests.cluster.installation import (
    ARTIFACTS,
    IMAGE,
    METADATA,
    MIGRATE,
    ROUTED,
    SECONDS,
    TEST,
    client_environment,
    database,
    render,
)
from tests.harness.certificates import Authority
from tests.harness.processes import eventually
from tests.postgresql import PostgreSQL
from tests.seaweedfs import S3Server

ONE_EACH = [
    f"{component}.{value}"
    for component in ("metadata", "artifacts")
    for value in (
        "autoscaling.enabled=false",
        "replicas=1",
        "preStopSeconds=0",  # nobody is there to hear of an end
        "shutdownDelaySeconds=0",
    )
]
VALUES = {
    # By a Gateway, which reads the authority in a ConfigMap; whoever calls needs no certificate.
    "httproute": (),
    # By an Ingress; whoever calls presents one.
    "ingress": ("podTLS.clientAuth=required",),
}
AUTHORITY = "tandem-pods-ca"


@dataclass(frozen=True)
class Secured:
    """An installation whose pods speak HTTPS."""

    way: str
    cluster: Cluster
    edge: Edge
    authority: Authority

    def presented(self, service: str) -> str:
        """The certificate that the first pod of a service presents now."""
        (pod, *_) = self.cluster.pods_of(service)
        port = pod.container.ports["http"]
        return ssl.get_server_certificate((pod.address, port))


def issue(cluster: Cluster, authority: Authority) -> None:
    """Write the Secrets of all Certificates, anew if they are there."""
    for wanted in cluster.manifests.certificates:
        # Here a Service's name becomes its address; a name that is missing has none either.
        addresses = [cluster.names[name] for name in wanted["dnsNames"] if name in cluster.names]
        files = authority.issue(wanted["secretName"], [*wanted["dnsNames"], *addresses])
        texts = [Path(file).read_text() for file in (*files, authority.certificate)]
        content = dict(zip(("tls.crt", "tls.key", "ca.crt"), texts, strict=True))
        cluster.put_secret(wanted["secretName"], content)


@pytest.fixture(scope="module", params=list(VALUES))
def secured(
    request: pytest.FixtureRequest,
    postgresql: PostgreSQL,
    bucket: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Secured]:
    way: str = request.param
    directory = tmp_path_factory.mktemp(f"pod-tls-{way}")
    authority = Authority.create(directory)
    rendered = render(
        *ROUTED,
        *ONE_EACH,
        *VALUES[way],
        "ingress.controller=traefik",
        "monitoring.serviceMonitor.enabled=true",
        "podTLS.enabled=true",
        "podTLS.certManager.issuer=tandem-pods",
        f"podTLS.caConfigMap={AUTHORITY}",
        "extraObjects[0].apiVersion=v1",
        "extraObjects[0].kind=ConfigMap",
        f"extraObjects[0].metadata.name={AUTHORITY}",
    )
    rendered.configs[AUTHORITY]["ca.crt"] = authority.certificate.read_text()  # type: ignore[index]
    routes = {"ingress": rendered.ingress_routes, "httproute": rendered.http_routes}[way]
    hosts = [route.host for route in routes]
    with ExitStack() as running:
        secrets = running.enter_context(database(postgresql))
        cluster = running.enter_context(
            Cluster(rendered, directory, IMAGE, secrets, {ARTIFACTS: bucket.environ}).running()
        )
        issue(cluster, authority)
        cluster.finish(cluster.start_job(MIGRATE), seconds=60)
        cluster.wait_ready(
            [*cluster.start_deployment(METADATA), *cluster.start_deployment(ARTIFACTS)]
        )
        front = running.enter_context(
            edge.serve(directory / way, routes, hosts, cluster.endpoints, held=cluster.held)
        )
        cluster.on_change(front.update)
        yield Secured(way, cluster, front, authority)


def test_a_stock_client_and_a_browser_come_by_tls_all_the_way(
    secured: Secured, tmp_path: Path
) -> None:
    url, variables = "https://mlflow.example.com", client_environment(secured.edge)
    client = stock_client.start(url, f"pod-tls-{secured.way}", tmp_path, variables)
    found = client.result(SECONDS)
    assert found["same"]
    # Metadata has listed and fetched these from artifacts.
    assert found["shown"] == {"listed": ["files"], "fetched": "snow", "page": "text/html"}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("service", [METADATA, ARTIFACTS])
def test_pods_speak_tls_alone_and_ask_for_certificates_where_they_are_to(
    secured: Secured, service: str
) -> None:
    (pod,) = secured.cluster.pods_of(service)
    port = pod.container.ports["http"]
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{pod.address}:{port}/health", timeout=10)
    with contextlib.ExitStack() as refused:
        if secured.way == "ingress":
            refused.enter_context(pytest.raises(requests.ConnectionError, match=r"(?i)certificate"))
        url = f"https://{pod.address}:{port}/health"
        assert requests.get(url, timeout=10, verify=False).text == "OK"
    if secured.way == "ingress":
        probes = f"http://{pod.address}:{pod.container.ports['probes']}"
        assert requests.get(f"{probes}/ready", timeout=10).text == "OK"
        assert requests.get(f"{probes}/api/2.0/mlflow/x", timeout=10).status_code == 403


def test_helms_own_test_calls_both_services(secured: Secured) -> None:
    pod = secured.cluster.start_single(TEST)
    secured.cluster.finish(pod, seconds=60)
    assert "metadata lists the file by way of artifacts" in pod.tail()


def test_every_probe_and_scrape_is_answered(secured: Secured, tmp_path: Path) -> None:
    pods = [pod for name in (METADATA, ARTIFACTS) for pod in secured.cluster.pods_of(name)]
    for pod in pods:
        eventually(lambda pod=pod: all(each.passed for each in pod.answers.values()), seconds=15)
    targets = prometheus.monitored(secured.cluster.manifests, pods)
    assert len(targets) == len(pods)
    served = prometheus.serve(tmp_path / "prometheus", targets, held=secured.cluster.held)
    with served as running:
        up = prometheus.by_pod(running.query("up == 1"))
        assert up.keys() == {pod.name for pod in pods}
        expiry = "tandem_tls_certificate_expiry_timestamp_seconds - time() > 3600"
        assert prometheus.by_pod(running.query(expiry)).keys() == {pod.name for pod in pods}


def test_renewed_secrets_are_taken_up_by_running_pods(secured: Secured) -> None:
    before = {service: secured.presented(service) for service in (METADATA, ARTIFACTS)}
    issue(secured.cluster, secured.authority)
    for service, old in before.items():
        eventually(
            lambda service=service, old=old: secured.presented(service) != old,
            f"{service} presents the renewed certificate",
        )
    assert secured.cluster.faults() == []
