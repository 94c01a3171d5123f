"""The chart's NetworkPolicies: each component reaches its own store and no other, proved."""

from typing import NamedTuple

import pytest

from tests.kubernetes import chart
from tests.kubernetes.policies import Host, Peer, Pod, allows, pod_of, telling_ports
from tests.kubernetes.tools import Object

DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
NEIGHBOUR = Pod("tandem", {"app": "notebook"}, {"http": 8080})
S3, INTERNET = Host("52.95.110.1"), Host("198.51.100.7")

ROUTER, PROMETHEUS = Pod("traefik", {"app": "traefik"}), Pod("monitoring", {"app": "prometheus"})


class Cluster(NamedTuple):
    """What an entry of the matrix deploys, and what lies around it."""

    policies: list[Object]
    metadata: Pod
    artifacts: Pod
    migration: Pod
    database: Peer
    database_port: int
    store: Peer
    store_port: int


AROUND: dict[str, tuple[Peer, int, Peer, int]] = {
    "production": (Host("10.0.5.10"), 5432, S3, 443),
    "everything": (Host("10.0.5.10"), 6432, S3, 443),
    "gitops": (Pod("tandem", {"cnpg.io/cluster": "mlflow"}), 5432, S3, 443),
    "minio": (
        Pod("databases", {"app.kubernetes.io/name": "postgresql"}, {}, "10.244.3.3"),
        5432,
        Pod("minio", {"app": "minio"}, {}, "10.244.4.4"),
        9000,
    ),
}


@pytest.fixture(params=AROUND)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    objects = chart.render(request.param)
    pods = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: pod_of(each)
        for each in objects
        if each["kind"] in ("Deployment", "Job")
    }
    policies = chart.standing_policies(objects)
    return Cluster(
        policies,
        pods["metadata"],
        pods["artifacts"],
        pods["migration"],
        *AROUND[request.param],
    )


def test_every_pod_denies_both_ways_by_default(cluster: Cluster) -> None:
    assert len(cluster.policies) == 3
    for policy in cluster.policies:
        assert sorted(policy["spec"]["policyTypes"]) == ["Egress", "Ingress"]
    for pod in (cluster.metadata, cluster.artifacts, cluster.migration):
        for port in (22, 443, 5000, 5432, 5500, 8080):
            assert not allows(cluster.policies, NEIGHBOUR, pod, port)
            assert not allows(cluster.policies, INTERNET, pod, port)
            assert not allows(cluster.policies, pod, NEIGHBOUR, port)
        assert not allows(cluster.policies, pod, INTERNET, 80)
        assert not allows(cluster.policies, pod, Host("169.254.169.254"), 80), "the node's identity"


def test_artifacts_reach_the_object_store_and_not_the_database(cluster: Cluster) -> None:
    assert allows(cluster.policies, cluster.artifacts, cluster.store, cluster.store_port)
    for port in telling_ports(cluster.policies, cluster.artifacts, cluster.metadata):
        assert not allows(cluster.policies, cluster.artifacts, cluster.database, port)


def test_metadata_reaches_the_database_and_not_the_object_store(cluster: Cluster) -> None:
    assert allows(cluster.policies, cluster.metadata, cluster.database, cluster.database_port)
    for port in telling_ports(cluster.policies, cluster.artifacts, cluster.metadata):
        assert not allows(cluster.policies, cluster.metadata, cluster.store, port)


def test_metadata_reaches_artifacts_and_not_the_other_way(cluster: Cluster) -> None:
    assert allows(cluster.policies, cluster.metadata, cluster.artifacts, 5500)
    assert not allows(cluster.policies, cluster.metadata, cluster.artifacts, 5501)
    assert not allows(cluster.policies, cluster.artifacts, cluster.metadata, 5000)


def test_all_look_names_up(cluster: Cluster) -> None:
    for pod in (cluster.metadata, cluster.artifacts, cluster.migration):
        assert allows(cluster.policies, pod, DNS, 53, "UDP")
        assert allows(cluster.policies, pod, DNS, 53, "TCP")
        assert not allows(cluster.policies, pod, DNS, 443)
        assert not allows(cluster.policies, pod, Pod("kube-system", {"k8s-app": "api"}), 53)
        assert not allows(cluster.policies, pod, Pod("tandem", {"k8s-app": "kube-dns"}), 53)


def test_the_migration_reaches_dns_and_the_database_only(cluster: Cluster) -> None:
    policies, migration = cluster.policies, cluster.migration
    assert allows(policies, migration, cluster.database, cluster.database_port)
    for target, port in (
        (cluster.artifacts, 5500),
        (cluster.metadata, 5000),
        (cluster.store, cluster.store_port),
        (cluster.database, 22),
    ):
        assert not allows(policies, migration, target, port)
    for source in (cluster.metadata, cluster.artifacts, ROUTER, PROMETHEUS):
        assert not allows(policies, source, migration, 5000)


def test_gc_reaches_the_database_and_artifacts_and_no_store() -> None:
    objects = chart.render("gc")
    policies = chart.standing_policies(objects)
    gc = pod_of(chart.one(objects, "CronJob", "tandem-gc"))
    metadata, artifacts = (
        pod_of(chart.one(objects, "Deployment", f"tandem-{each}"))
        for each in ("metadata", "artifacts")
    )
    gateway = Pod("monitoring", {"app": "pushgateway"})
    for target, port in ((Host("10.0.5.10"), 5432), (artifacts, 5500), (gateway, 9091)):
        assert allows(policies, gc, target, port)
    for target, port in ((metadata, 5000), (S3, 443), (INTERNET, 443), (gateway, 9090)):
        assert not allows(policies, gc, target, port)
    for source in (metadata, artifacts, ROUTER, PROMETHEUS):
        assert not allows(policies, source, gc, 5000)


def test_routes_and_scrapes_come_through() -> None:
    objects = chart.render("production")
    policies = chart.standing_policies(objects)
    for component, port in chart.COMPONENTS.items():
        pod = pod_of(chart.one(objects, "Deployment", f"tandem-{component}"))
        for source in (ROUTER, PROMETHEUS):
            assert allows(policies, source, pod, port)
            assert not allows(policies, source, pod, port + 1)


def test_another_release_of_the_namespace_is_a_stranger() -> None:
    first, second = chart.render("production"), chart.render("production", release="other")
    policies = [*chart.standing_policies(first), *chart.standing_policies(second)]
    metadata = pod_of(chart.one(first, "Deployment", "tandem-metadata"))
    stranger = pod_of(chart.one(second, "Deployment", "other-tandem-artifacts"))
    assert not allows(policies, metadata, stranger, 5500)


def test_more_rules() -> None:
    objects = chart.render("everything")
    policies = chart.standing_policies(objects)
    metadata = pod_of(chart.one(objects, "Deployment", "ml-metadata"))
    artifacts = pod_of(chart.one(objects, "Deployment", "ml-artifacts"))
    assert allows(policies, metadata, Pod("deployments", {}), 443), "extraEgress"
    assert allows(policies, artifacts, Host("169.254.170.23"), 80), "extraEgress"
    assert not allows(policies, metadata, Host("169.254.170.23"), 80)


def test_sqlite_and_disk_need_nothing_but_dns() -> None:
    objects = chart.render("sqlite-disk", "networkPolicy.enabled=true")
    policies = chart.standing_policies(objects)
    assert len(policies) == 2
    for component in chart.COMPONENTS:
        pod = pod_of(chart.one(objects, "Deployment", f"tandem-{component}"))
        assert allows(policies, pod, DNS, 53, "UDP")
        for port in (443, 5432):
            assert not allows(policies, pod, INTERNET, port)


@pytest.mark.parametrize(
    ("name", "identity", "port"),
    [
        ("rds-iam", Host("10.0.9.4"), 443),
        ("cloud-sql-iam", Host("169.254.169.252"), 988),
        ("cloud-sql-iam", Host("169.254.169.254"), 80),
    ],
)
def test_what_gives_tokens_for_the_database_is_reached_by_those_that_log_in(
    name: str, identity: Host, port: int
) -> None:
    objects = chart.render(name)
    policies = list(chart.of_kind(objects, "NetworkPolicy").values())
    pods = {
        each["metadata"]["name"]: pod_of(each)
        for each in objects
        if each["kind"] in ("Deployment", "Job")
    }
    assert len(pods) == 3
    for pod in ("tandem-metadata", "tandem-migrate"):
        assert allows(policies, pods[pod], identity, port)
        assert not allows(policies, pods[pod], identity, 22)
        assert not allows(policies, pods[pod], S3, 443)


@pytest.mark.parametrize(
    ("name", "router", "port"),
    [
        ("istio-ambient", Pod("istio-ingress", {"app": "gateway"}), 15008),
        ("linkerd", Pod("traefik", {"app": "traefik"}), 4143),
    ],
)
def test_meshed_proxies_meet_at_their_own_port_and_strangers_do_not(
    name: str, router: Pod, port: int
) -> None:
    objects = chart.render(name)
    policies = chart.standing_policies(objects)
    metadata, artifacts = (
        pod_of(chart.one(objects, "Deployment", f"tandem-{component}"))
        for component in ("metadata", "artifacts")
    )
    for source, target in ((router, metadata), (router, artifacts), (metadata, artifacts)):
        assert allows(policies, source, target, port)
    assert not allows(policies, artifacts, metadata, port)
    assert not allows(policies, NEIGHBOUR, artifacts, port)


@pytest.mark.parametrize(
    ("name", "namespace", "port"), [("istio", "istio-system", 15012), ("linkerd", "linkerd", 8086)]
)
def test_meshed_pods_and_the_migration_reach_the_control_plane(
    name: str, namespace: str, port: int
) -> None:
    objects = chart.render(name)
    policies = chart.standing_policies(objects)
    pods = [pod_of(each) for each in objects if each["kind"] in ("Deployment", "Job")]
    assert len(pods) == 3
    for pod in pods:
        assert allows(policies, pod, Pod(namespace, {"app": "control"}), port)
        assert not allows(policies, pod, Pod("elsewhere", {"app": "control"}), port)
