"""Routes, certificates and what follows from the hosts."""

import pytest

from tests.kubernetes import chart
from tests.kubernetes.tools import Object

ARTIFACT_PATHS = ["/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts"]
NGINX = "nginx.org/"


def annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})


def paths(ingress: Object) -> dict[str, str]:
    """Each path with its Service."""
    (rule,) = ingress["spec"]["rules"]
    assert {each["pathType"] for each in rule["http"]["paths"]} == {"Prefix"}
    return {each["path"]: each["backend"]["service"]["name"] for each in rule["http"]["paths"]}


def prefixes(route: Object) -> list[str]:
    (rule,) = route["spec"]["rules"]
    assert {each["path"]["type"] for each in rule["matches"]} == {"PathPrefix"}
    return [each["path"]["value"] for each in rule["matches"]]


def test_nothing_is_routed_by_default() -> None:
    objects = chart.render("minimal")
    assert not {each["kind"] for each in objects} & {"Ingress", "HTTPRoute", "Gateway"}


def test_single_host_ingress() -> None:
    ingresses = chart.of_kind(chart.render("single-host-ingress"), "Ingress")
    assert sorted(ingresses) == ["tandem-artifacts", "tandem-metadata"]
    assert paths(ingresses["tandem-metadata"]) == {"/": "tandem-metadata"}
    assert paths(ingresses["tandem-artifacts"]) == dict.fromkeys(ARTIFACT_PATHS, "tandem-artifacts")
    for each in ingresses.values():
        assert each["spec"]["ingressClassName"] == "traefik"
        assert each["spec"]["tls"] == [
            {"hosts": ["mlflow.example.com"], "secretName": "mlflow-tls"}
        ]


def test_two_hosts_ingress() -> None:
    ingresses = chart.of_kind(chart.render("two-hosts-ingress"), "Ingress")
    for component, host in (("metadata", "mlflow"), ("artifacts", "artifacts")):
        name = f"tandem-{component}"
        assert paths(ingresses[name]) == {"/": name}
        assert ingresses[name]["spec"]["tls"] == [
            {"hosts": [f"{host}.example.com"], "secretName": f"{name}-tls"}
        ]
        assert annotations(ingresses[name])["cert-manager.io/cluster-issuer"] == "letsencrypt"


def test_one_host_has_one_certificate() -> None:
    objects = chart.render("two-hosts-ingress", "hosts.artifacts=mlflow.example.com")
    ingresses = chart.of_kind(objects, "Ingress")
    secrets = {each["spec"]["tls"][0]["secretName"] for each in ingresses.values()}
    assert secrets == {"tandem-metadata-tls"}
    issuer = "cert-manager.io/cluster-issuer"
    asking = [name for name, each in ingresses.items() if issuer in annotations(each)]
    assert asking == ["tandem-metadata"], "cert-manager refuses the second Ingress that asks"


def test_limits_are_lifted_for_artifacts_only() -> None:
    ingresses = chart.of_kind(chart.render("f5-nginx"), "Ingress")
    artifacts = annotations(ingresses["tandem-artifacts"])
    assert artifacts[f"{NGINX}client-max-body-size"] == "0"
    assert artifacts[f"{NGINX}proxy-buffering"] == "false"
    assert artifacts[f"{NGINX}proxy-send-timeout"] == "3575s", "longestTransferSeconds"
    assert artifacts[f"{NGINX}proxy-read-timeout"] == "7200s", "what values say wins"
    metadata = annotations(ingresses["tandem-metadata"])
    assert {each: value for each, value in metadata.items() if each.startswith(NGINX)} == {
        f"{NGINX}client-max-body-size": "24m"
    }
    haproxy = chart.of_kind(chart.render("everything"), "Ingress")
    assert annotations(haproxy["ml-artifacts"])["haproxy.org/timeout-server"] == "14400s"
    assert "haproxy.org/timeout-server" not in annotations(haproxy["ml-metadata"])


def test_annotations_of_any_controller_are_passed_on() -> None:
    """Also of one that the chart does not know."""
    name = "nginx.ingress.kubernetes.io/proxy-body-size"
    escaped = name.replace(".", "\\.")
    objects = chart.render("two-hosts-ingress", f"ingress.artifactsAnnotations.{escaped}=20g")
    ingresses = chart.of_kind(objects, "Ingress")
    assert annotations(ingresses["tandem-artifacts"])[name] == "20g"
    assert name not in annotations(ingresses["tandem-metadata"])


@pytest.mark.parametrize("kind", ["ingress", "httpRoute"])
def test_annotations_of_both_and_of_each(kind: str) -> None:
    name = {"ingress": "two-hosts-ingress", "httpRoute": "httproute-two-hosts"}[kind]
    objects = chart.render(
        name,
        f"{kind}.annotations.all=a",
        f"{kind}.annotations.own=a",
        f"{kind}.metadataAnnotations.own=m",
        f"{kind}.artifactsAnnotations.own=b",
    )
    found = chart.of_kind(objects, {"ingress": "Ingress", "httpRoute": "HTTPRoute"}[kind])
    for component, own in (("metadata", "m"), ("artifacts", "b")):
        given = annotations(found[f"tandem-{component}"])
        assert (given["all"], given["own"]) == ("a", own)


def test_single_host_routes() -> None:
    routes = chart.of_kind(chart.render("httproute-single-host"), "HTTPRoute")
    assert prefixes(routes["tandem-metadata"]) == ["/"]
    assert prefixes(routes["tandem-artifacts"]) == ARTIFACT_PATHS
    for each in routes.values():
        assert each["spec"]["hostnames"] == ["mlflow.example.com"]
        assert each["spec"]["parentRefs"] == [
            {"name": "public", "namespace": "gateways", "sectionName": "https"}
        ]


def test_two_hosts_routes_and_their_gateway() -> None:
    objects = chart.render("httproute-two-hosts", "hosts.artifacts=files.example.com")
    routes = chart.of_kind(objects, "HTTPRoute")
    assert routes["tandem-metadata"]["spec"]["hostnames"] == ["mlflow.example.com"]
    assert routes["tandem-artifacts"]["spec"]["hostnames"] == ["files.example.com"]
    assert prefixes(routes["tandem-artifacts"]) == ["/"]
    listeners = chart.one(objects, "Gateway", "tandem")["spec"]["listeners"]
    assert [each["hostname"] for each in listeners] == ["mlflow.example.com", "files.example.com"]


def test_timeouts_are_off_for_artifacts_only() -> None:
    routes = chart.of_kind(chart.render("httproute-two-hosts"), "HTTPRoute")
    artifacts, metadata = (
        routes[f"tandem-{each}"]["spec"]["rules"][0] for each in ("artifacts", "metadata")
    )
    assert artifacts["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert metadata["timeouts"] == {"request": "120s"}


def test_filters_hold_for_both_hosts() -> None:
    routes = chart.of_kind(chart.render("everything"), "HTTPRoute").values()
    filters = [each["spec"]["rules"][0]["filters"] for each in routes]
    assert len(filters) == 2
    assert filters[0] == filters[1]


def test_one_value_names_the_artifacts_host_everywhere() -> None:
    objects = chart.render(
        "two-hosts-ingress",
        "hosts.artifacts=files.example.org",
        "httpRoute.enabled=true",
        "httpRoute.parentRefs[0].name=public",
    )
    metadata = chart.one(objects, "Deployment", "tandem-metadata")
    assert (
        chart.flag(metadata, "--default-artifact-root") == "mlflow-artifacts://files.example.org/"
    )
    assert chart.flag(metadata, "--artifact-hosts") == "files.example.org"
    artifacts = chart.one(objects, "Deployment", "tandem-artifacts")
    assert chart.flag(artifacts, "--allowed-hosts").split(",")[0] == "files.example.org"
    assert chart.flag(artifacts, "--cors-allowed-origins") == "https://mlflow.example.com"
    ingress = chart.one(objects, "Ingress", "tandem-artifacts")["spec"]
    assert ingress["rules"][0]["host"] == "files.example.org"
    assert ingress["tls"][0]["hosts"] == ["files.example.org"]
    assert chart.one(objects, "HTTPRoute", "tandem-artifacts")["spec"]["hostnames"] == [
        "files.example.org"
    ]
    assert "artifacts.example.com" not in str(objects)


def test_accepted_hosts() -> None:
    objects = chart.render("everything")
    assert chart.flag(chart.one(objects, "Deployment", "ml-metadata"), "--allowed-hosts").split(
        ","
    ) == [
        "mlflow.example.com",
        "ml-metadata",
        "ml-metadata.tandem",
        "ml-metadata.tandem.svc",
        "ml-metadata.tandem.svc.example.internal",
        "mlflow.internal.example.com",
    ]


def test_ports_of_hosts_are_for_clients_only() -> None:
    """As by port-forward: the default root names the port, and a route could not."""
    tls = ("ingress.tls.enabled=true", "hosts.scheme=https", "insecureNoAuth=true")
    objects = chart.render("sqlite-disk", "ingress.enabled=true", *tls)
    metadata = chart.one(objects, "Deployment", "tandem-metadata")
    assert chart.flag(metadata, "--default-artifact-root") == "mlflow-artifacts://localhost:5500/"
    artifacts = chart.one(objects, "Deployment", "tandem-artifacts")
    assert chart.flag(artifacts, "--cors-allowed-origins") == "https://localhost:5000"
    for component in chart.COMPONENTS:
        spec = chart.one(objects, "Ingress", f"tandem-{component}")["spec"]
        assert spec["rules"][0]["host"] == "localhost"
        assert spec["tls"][0]["hosts"] == ["localhost"]


def test_one_host_needs_no_cors() -> None:
    artifacts = chart.one(chart.render("single-host-ingress"), "Deployment", "tandem-artifacts")
    assert "--cors-allowed-origins" not in chart.container(artifacts)["args"]
