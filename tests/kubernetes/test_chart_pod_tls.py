"""TLS of the pods: certificates, flags, probes, scrapes, and what is told to whoever routes."""

import pytest

from tests.kubernetes import chart, schemas
from tests.kubernetes.chart import COMPONENTS, container, flag, of_kind, one
from tests.kubernetes.tools import Object

FOLDER = "/etc/tandem/pod-tls"
GATEWAY = (
    "ingress.enabled=false",
    "ingress.tls.enabled=false",
    "ingress.tls.certManager.clusterIssuer=",
    "httpRoute.enabled=true",
    "httpRoute.parentRefs[0].name=public",
    "podTLS.caConfigMap=pods-ca",
)
"""For the entry pod-tls."""


def deployment(objects: list[Object], component: str) -> Object:
    return one(objects, "Deployment", f"tandem-{component}")


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("name", ["pod-tls", "pod-mtls"])
def test_a_pod_has_its_secret_where_its_flags_say(name: str, component: str) -> None:
    made = deployment(chart.render(name), component)
    assert flag(made, "--tls-cert") == f"{FOLDER}/tls.crt"
    assert flag(made, "--tls-key") == f"{FOLDER}/tls.key"
    mounts = {each["name"]: each for each in container(made)["volumeMounts"]}
    # No subPath: a renewed Secret would not come through.
    assert mounts["pod-tls"] == {"name": "pod-tls", "mountPath": FOLDER, "readOnly": True}
    volumes = {each["name"]: each for each in made["spec"]["template"]["spec"]["volumes"]}
    secret = {"pod-tls": f"tandem-{component}-pod-tls", "pod-mtls": f"{component}-pods"}[name]
    assert volumes["pod-tls"]["secret"] == {"secretName": secret}


def test_certificates_are_for_all_names_of_the_service_and_for_clients_too() -> None:
    objects = chart.render("pod-tls")
    for component in COMPONENTS:
        service = f"tandem-{component}"
        spec = one(objects, "Certificate", f"{service}-pod-tls")["spec"]
        zone = f"{service}.tandem"
        assert spec["dnsNames"] == [service, zone, f"{zone}.svc", f"{zone}.svc.cluster.local"]
        assert {"server auth", "client auth"} <= set(spec["usages"])
        assert spec["issuerRef"]["kind"] == "Issuer"
    issued = chart.render(
        "pod-tls", "podTLS.certManager.issuer=", "podTLS.certManager.clusterIssuer=a"
    )
    for made in of_kind(issued, "Certificate").values():
        assert (made["spec"]["issuerRef"]["kind"], made["spec"]["issuerRef"]["name"]) == (
            "ClusterIssuer",
            "a",
        )
    assert not of_kind(chart.render("pod-mtls"), "Certificate")


def test_metadata_calls_artifacts_by_a_name_of_its_certificate_and_trusts_its_authority() -> None:
    objects = chart.render("pod-tls", "staticPrefix=/mlflow")
    metadata = deployment(objects, "metadata")
    url = flag(metadata, "--artifacts-url")
    assert url == "https://tandem-artifacts:5500/mlflow"
    names = one(objects, "Certificate", "tandem-artifacts-pod-tls")["spec"]["dnsNames"]
    assert url.removeprefix("https://").partition(":")[0] in names
    assert flag(metadata, "--artifacts-ca") == f"{FOLDER}/ca.crt"
    assert "--artifacts-cert" not in container(metadata)["args"]


def test_with_client_certificates_metadata_presents_its_own_and_probes_come_apart() -> None:
    objects = chart.render("pod-mtls")
    metadata = deployment(objects, "metadata")
    assert flag(metadata, "--artifacts-cert") == f"{FOLDER}/tls.crt"
    assert flag(metadata, "--artifacts-key") == f"{FOLDER}/tls.key"
    for component, port in COMPONENTS.items():
        made = deployment(objects, component)
        assert flag(made, "--tls-client-ca") == f"{FOLDER}/ca.crt"
        assert flag(made, "--tls-client-auth") == "required"
        assert flag(made, "--probe-port") == str(port + 1)
        annotations = made["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(port + 1)
        assert "prometheus.io/scheme" not in annotations
        # Nobody reaches the port for probes by the Service.
        (exposed,) = one(objects, "Service", f"tandem-{component}")["spec"]["ports"]
        assert exposed["targetPort"] == "http"


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
@pytest.mark.parametrize("name", ["pod-tls", "pod-mtls"])
def test_scrapes_go_where_the_pods_answer_them(name: str, kind: str) -> None:
    monitors = {"ServiceMonitor": "serviceMonitor", "PodMonitor": "podMonitor"}
    sets = [
        f"monitoring.{value}.enabled={str(key == kind).lower()}" for key, value in monitors.items()
    ]
    objects = chart.render(name, *sets)
    for component in COMPONENTS:
        spec = one(objects, kind, f"tandem-{component}")["spec"]
        (endpoint,) = spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"]
        if name == "pod-mtls":
            assert "scheme" not in endpoint
            assert endpoint["targetPort" if kind == "ServiceMonitor" else "port"] == "probes"
        else:
            assert (endpoint["scheme"], endpoint["port"]) == ("https", "http")
            assert endpoint["tlsConfig"] == {
                "ca": {"secret": {"name": f"tandem-{component}-pod-tls", "key": "ca.crt"}},
                "serverName": f"tandem-{component}.tandem.svc",
            }


def test_traefik_is_told_by_the_service_and_checks_the_pods_certificate() -> None:
    objects = chart.render("pod-mtls")
    for component in COMPONENTS:
        annotations = one(objects, "Service", f"tandem-{component}")["metadata"]["annotations"]
        said = "traefik.ingress.kubernetes.io/service."
        assert annotations[f"{said}serversscheme"] == "https"
        assert annotations[f"{said}serverstransport"] == f"tandem-tandem-{component}@kubernetescrd"
        spec = one(objects, "ServersTransport", f"tandem-{component}")["spec"]
        assert spec == {
            "serverName": f"tandem-{component}.tandem.svc",
            "rootCAs": [{"secret": f"{component}-pods"}],
            "certificatesSecrets": [f"{component}-pods"],
        }
    trusting = chart.render("pod-tls", "ingress.controller=traefik")
    for each in of_kind(trusting, "ServersTransport").values():
        assert "certificatesSecrets" not in each["spec"]


def test_a_gateway_is_told_by_a_policy() -> None:
    objects = chart.render("pod-tls", *GATEWAY)
    for each in of_kind(objects, "BackendTLSPolicy").values():
        schemas.check(each)
    for component in COMPONENTS:
        service = f"tandem-{component}"
        spec = one(objects, "BackendTLSPolicy", service)["spec"]
        assert spec == {
            "targetRefs": [{"group": "", "kind": "Service", "name": service}],
            "validation": {
                "hostname": f"{service}.tandem.svc",
                "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "pods-ca"}],
            },
        }


def test_other_controllers_are_told_by_annotations() -> None:
    for name, ingress in of_kind(chart.render("pod-tls"), "Ingress").items():
        annotations = ingress["metadata"]["annotations"]
        assert annotations["haproxy.org/server-ssl"] == "true"
        assert annotations["haproxy.org/server-ca"] == f"tandem/{name}-pod-tls"
        assert "haproxy.org/server-crt" not in annotations
    presenting = chart.render("pod-mtls", "ingress.controller=haproxy")
    for name, ingress in of_kind(presenting, "Ingress").items():
        secret = f"tandem/{name.removeprefix('tandem-')}-pods"
        assert ingress["metadata"]["annotations"]["haproxy.org/server-crt"] == secret
    nginx = chart.render("pod-tls", "ingress.controller=f5-nginx")
    for name, ingress in of_kind(nginx, "Ingress").items():
        assert ingress["metadata"]["annotations"]["nginx.org/ssl-services"] == name


def test_the_test_of_helm_calls_by_https_with_the_certificate_of_metadata() -> None:
    spec = one(chart.render("pod-mtls"), "Pod", "tandem-test")["spec"]
    (tested,) = spec["containers"]
    environ = {each["name"]: each["value"] for each in tested["env"]}
    assert environ["TLS_FOLDER"] == tested["volumeMounts"][0]["mountPath"] == FOLDER
    assert environ["METADATA_URL"] == "https://tandem-metadata:5000"
    assert environ["ARTIFACTS_URL"] == "https://tandem-artifacts:5500"
    assert spec["volumes"] == [{"name": "pod-tls", "secret": {"secretName": "metadata-pods"}}]


@pytest.mark.parametrize(("name", "presented"), [("pod-tls", False), ("pod-mtls", True)])
def test_gc_calls_artifacts_by_https_with_the_certificate_of_metadata(
    name: str, presented: bool
) -> None:
    job = one(chart.render(name, "gc.enabled=true"), "CronJob", "tandem-gc")["spec"]["jobTemplate"]
    assert flag(job, "--artifacts-url") == "https://tandem-artifacts:5500"
    assert flag(job, "--artifacts-ca") == f"{FOLDER}/ca.crt"
    assert ("--artifacts-cert" in container(job)["args"]) == presented
    secret = {"pod-tls": "tandem-metadata-pod-tls", "pod-mtls": "metadata-pods"}[name]
    assert {"name": "pod-tls", "secret": {"secretName": secret}} in (
        job["spec"]["template"]["spec"]["volumes"]
    )


def test_scrapers_reach_the_port_for_probes_and_nothing_else() -> None:
    policy = one(chart.render("pod-mtls"), "NetworkPolicy", "tandem-artifacts")
    ports = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: [
            port["port"] for port in rule["ports"]
        ]
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
        if "namespaceSelector" in peer
    }
    assert ports == {"traefik": ["http"], "monitoring": ["probes"]}


def test_without_it_nothing_of_tls_is_rendered() -> None:
    objects = chart.render("production")
    assert "tls" not in str(deployment(objects, "metadata")).lower().replace("titles", "")
    assert not of_kind(objects, "Certificate")
