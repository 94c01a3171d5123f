"""What rendered Kubernetes objects say, as plain dataclasses.

Only what the stand-in of a cluster in this directory carries out is read. A field that it would
have to ignore although a cluster acts on it (a probe of another kind, a container beside, a filter
of a route) raises Unsupported: a test must not pass because something was left out.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tests.cluster import pod_templates, routes
from tests.cluster.objects import Object, Unsupported, name_of
from tests.cluster.pod_templates import Template
from tests.cluster.routes import Route, Service


@dataclass(frozen=True)
class Deployment:
    """A Deployment; `replicas` is the autoscaler's least where there is an autoscaler."""

    name: str
    replicas: int
    template: Template
    surge: int | str
    unavailable: int | str


@dataclass(frozen=True)
class Job:
    """A Job of one pod."""

    name: str
    template: Template
    backoff_limit: int


@dataclass(frozen=True)
class Monitor:
    """A ServiceMonitor's or PodMonitor's endpoint."""

    name: str
    kind: str
    selector: Mapping[str, str]
    port: str
    """Of the Service, or of the pods where it is `by_pod_port`."""
    by_pod_port: bool
    path: str
    scheme: str
    tls: Object
    """`tlsConfig`."""
    relabelings: tuple[Object, ...]


@dataclass(frozen=True)
class Manifests:
    """All that was rendered, by kind and name."""

    namespace: str
    deployments: Mapping[str, Deployment]
    jobs: Mapping[str, Job]
    pods: Mapping[str, Template]
    """Pods of no workload, as helm test starts them."""
    services: Mapping[str, Service]
    ingress_routes: tuple[Route, ...]
    http_routes: tuple[Route, ...]
    certificate_names: tuple[str, ...]
    """Hosts of all Ingresses' `tls`."""
    monitors: tuple[Monitor, ...]
    secrets: Mapping[str, Mapping[str, str]]
    configs: Mapping[str, Mapping[str, str]]
    rules: tuple[Object, ...]
    """`spec` of each PrometheusRule."""
    certificates: tuple[Object, ...]
    """`spec` of each Certificate, which cert-manager would make a Secret of."""


def read(objects: Iterable[Object], namespace: str) -> Manifests:
    """Sort the objects into what the stand-in needs; raises Unsupported."""
    by_kind: dict[str, list[Object]] = {}
    for each in objects:
        by_kind.setdefault(each["kind"], []).append(each)

    def of(kind: str) -> list[Object]:
        return by_kind.get(kind, [])

    least = {
        scaler["spec"]["scaleTargetRef"]["name"]: scaler["spec"].get("minReplicas", 1)
        for scaler in of("HorizontalPodAutoscaler")
    }
    services = {name_of(each): routes.service(each) for each in of("Service")}
    traefik = routes.by_traefik(of("Service"), of("ServersTransport"))
    gateway = dict(routes.by_gateway(each) for each in of("BackendTLSPolicy"))
    return Manifests(
        namespace=namespace,
        deployments={name_of(each): _deployment(each, least) for each in of("Deployment")},
        jobs={name_of(each): _job(each) for each in of("Job")},
        pods={name_of(each): pod_templates.template(each) for each in of("Pod")},
        services=services,
        ingress_routes=tuple(
            replace(route, tls=traefik.get(route.service))
            for each in of("Ingress")
            for route in routes.ingress_routes(each, services)
        ),
        http_routes=tuple(
            replace(route, tls=gateway.get(route.service))
            for each in of("HTTPRoute")
            for route in routes.http_routes(each)
        ),
        certificate_names=tuple(
            host
            for each in of("Ingress")
            for tls in each["spec"].get("tls", ())
            for host in tls["hosts"]
        ),
        monitors=tuple(
            monitor
            for kind in ("ServiceMonitor", "PodMonitor")
            for each in of(kind)
            for monitor in _monitors(each)
        ),
        secrets={name_of(each): _data(each) for each in of("Secret")},
        configs={name_of(each): dict(each.get("data", {})) for each in of("ConfigMap")},
        rules=tuple(each["spec"] for each in of("PrometheusRule")),
        certificates=tuple(each["spec"] for each in of("Certificate")),
    )


def _data(secret: Object) -> dict[str, str]:
    encoded = {k: base64.b64decode(v).decode() for k, v in secret.get("data", {}).items()}
    return {**encoded, **secret.get("stringData", {})}


def _deployment(each: Object, least: Mapping[str, int]) -> Deployment:
    spec = each["spec"]
    strategy = spec.get("strategy", {})
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise Unsupported(f"strategy of Deployment {name_of(each)}")
    template = pod_templates.template(spec["template"])
    if not spec["selector"]["matchLabels"].items() <= template.labels.items():
        raise Unsupported(f"Deployment {name_of(each)} does not select its own pods")
    rolling = strategy.get("rollingUpdate", {})
    return Deployment(
        name_of(each),
        spec.get("replicas", least.get(name_of(each), 1)),
        template,
        rolling.get("maxSurge", "25%"),
        rolling.get("maxUnavailable", "25%"),
    )


def _job(each: Object) -> Job:
    spec = each["spec"]
    if spec.get("completions", 1) != 1 or spec.get("parallelism", 1) != 1:
        raise Unsupported(f"Job {name_of(each)} of several pods")
    return Job(name_of(each), pod_templates.template(spec["template"]), spec.get("backoffLimit", 6))


def _monitors(each: Object) -> Iterator[Monitor]:
    spec = each["spec"]
    kind = each["kind"]
    for endpoint in spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"]:
        yield Monitor(
            name_of(each),
            kind,
            dict(spec["selector"]["matchLabels"]),
            endpoint.get("port") or endpoint["targetPort"],
            kind == "PodMonitor" or "port" not in endpoint,
            endpoint.get("path", "/metrics"),
            endpoint.get("scheme", "http"),
            endpoint.get("tlsConfig", {}),
            tuple(endpoint.get("relabelings", ())),
        )
