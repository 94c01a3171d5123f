"""What rendered Kubernetes objects say, as plain dataclasses.

Only what the stand-in of a cluster in this directory carries out is read. A field that it would
have to ignore although a cluster acts on it (a probe of another kind, a container beside, a filter
of a route) raises Unsupported: a test must not pass because something was left out.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Object = Mapping[str, Any]


class Unsupported(Exception):
    """The manifests ask for something that the stand-in does not do."""


@dataclass(frozen=True)
class Probe:
    """An HTTP probe, with Kubernetes's defaults filled in."""

    scheme: str
    """HTTP or HTTPS."""
    path: str
    port: int
    headers: tuple[tuple[str, str], ...]
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int


@dataclass(frozen=True)
class Variable:
    """One entry of a container's `env`, or a whole `envFrom` source (then `key` is empty)."""

    name: str
    """The variable's name; a prefix for a whole source."""
    kind: str
    """value, secret, config or field."""
    source: str
    """The value itself, the name of the Secret or ConfigMap, or the field's path."""
    key: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Container:
    """A container as far as the kubelet stand-in starts, watches and stops it."""

    name: str
    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    variables: tuple[Variable, ...]
    ports: Mapping[str, int]
    probes: Mapping[str, Probe]
    """By kind: startup, readiness, liveness."""
    pre_stop: Object
    """`{"sleep": {"seconds": n}}`, `{"exec": {"command": [...]}}`, or empty."""
    mounts: Mapping[str, str]
    """Mount path to volume name."""
    resources: Object
    """`requests` and `limits`, which nothing here enforces."""


@dataclass(frozen=True)
class Template:
    """A pod template with its container, and those that run beside it from before to after it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    container: Container
    sidecars: tuple[Container, ...]
    """Native ones: init containers that are always restarted."""
    volumes: Mapping[str, Object]
    service_account: str
    grace_seconds: float
    service_links: bool


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
class Service:
    """A Service: which pods it leads to, and from which port to which."""

    name: str
    labels: Mapping[str, str]
    selector: Mapping[str, str]
    ports: Mapping[int, int | str]
    port_names: Mapping[str, int]


@dataclass(frozen=True)
class BackendTls:
    """How whoever routes speaks TLS to the pods of a Service."""

    server_name: str
    authority: tuple[str, str]
    """secret or config, and the name of what has ca.crt."""
    certificate: str | None = None
    """The Secret with what it presents itself."""


@dataclass(frozen=True)
class Route:
    """One host and path that an Ingress or an HTTPRoute leads to a Service's port."""

    host: str
    path: str
    exact: bool
    service: str
    port: int
    request_timeout: str | None = None
    """As Gateway API writes it; `0s` is none at all."""
    filters: tuple[Object, ...] = ()
    """As Gateway API writes them."""
    tls: BackendTls | None = None


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
    services = {_name(each): _service(each) for each in of("Service")}
    traefik = _by_traefik(of("Service"), of("ServersTransport"))
    gateway = dict(_by_gateway(each) for each in of("BackendTLSPolicy"))
    return Manifests(
        namespace=namespace,
        deployments={_name(each): _deployment(each, least) for each in of("Deployment")},
        jobs={_name(each): _job(each) for each in of("Job")},
        pods={_name(each): _template(each) for each in of("Pod")},
        services=services,
        ingress_routes=tuple(
            replace(route, tls=traefik.get(route.service))
            for each in of("Ingress")
            for route in _ingress_routes(each, services)
        ),
        http_routes=tuple(
            replace(route, tls=gateway.get(route.service))
            for each in of("HTTPRoute")
            for route in _http_routes(each)
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
        secrets={_name(each): _data(each) for each in of("Secret")},
        configs={_name(each): dict(each.get("data", {})) for each in of("ConfigMap")},
        rules=tuple(each["spec"] for each in of("PrometheusRule")),
        certificates=tuple(each["spec"] for each in of("Certificate")),
    )


def _name(each: Object) -> str:
    name: str = each["metadata"]["name"]
    return name


def _data(secret: Object) -> dict[str, str]:
    encoded = {k: base64.b64decode(v).decode() for k, v in secret.get("data", {}).items()}
    return {**encoded, **secret.get("stringData", {})}


def _deployment(each: Object, least: Mapping[str, int]) -> Deployment:
    spec = each["spec"]
    strategy = spec.get("strategy", {})
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        raise Unsupported(f"strategy of Deployment {_name(each)}")
    template = _template(spec["template"])
    if not spec["selector"]["matchLabels"].items() <= template.labels.items():
        raise Unsupported(f"Deployment {_name(each)} does not select its own pods")
    rolling = strategy.get("rollingUpdate", {})
    return Deployment(
        _name(each),
        spec.get("replicas", least.get(_name(each), 1)),
        template,
        rolling.get("maxSurge", "25%"),
        rolling.get("maxUnavailable", "25%"),
    )


def _job(each: Object) -> Job:
    spec = each["spec"]
    if spec.get("completions", 1) != 1 or spec.get("parallelism", 1) != 1:
        raise Unsupported(f"Job {_name(each)} of several pods")
    return Job(_name(each), _template(spec["template"]), spec.get("backoffLimit", 6))


def _template(template: Object) -> Template:
    spec = template["spec"]
    if len(spec["containers"]) != 1:
        raise Unsupported("a pod of several containers that are no native sidecars")
    return Template(
        labels=dict(template["metadata"].get("labels", {})),
        annotations=dict(template["metadata"].get("annotations", {})),
        container=_container(spec["containers"][0]),
        sidecars=tuple(map(_sidecar, spec.get("initContainers", ()))),
        volumes={each["name"]: each for each in spec.get("volumes", ())},
        service_account=spec.get("serviceAccountName", "default"),
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
        service_links=spec.get("enableServiceLinks", True),
    )


def _container(each: Object) -> Container:
    if each.get("lifecycle", {}).keys() - {"preStop"}:
        raise Unsupported("a lifecycle hook other than preStop")
    pre_stop = each.get("lifecycle", {}).get("preStop", {})
    if pre_stop.keys() - {"sleep", "exec"}:
        raise Unsupported(f"preStop by {', '.join(pre_stop)}")
    ports = {port["name"]: port["containerPort"] for port in each.get("ports", ())}
    return Container(
        name=each["name"],
        image=each["image"],
        command=tuple(each.get("command", ())),
        args=tuple(each.get("args", ())),
        variables=(*map(_source, each.get("envFrom", ())), *map(_variable, each.get("env", ()))),
        ports=ports,
        probes={
            kind: _probe(each[f"{kind}Probe"], ports)
            for kind in ("startup", "readiness", "liveness")
            if f"{kind}Probe" in each
        },
        pre_stop=pre_stop,
        mounts={mount["mountPath"]: mount["name"] for mount in each.get("volumeMounts", ())},
        resources=each.get("resources", {}),
    )


def _sidecar(each: Object) -> Container:
    if each.get("restartPolicy") != "Always":
        raise Unsupported("an init container that is no native sidecar")
    found = _container(each)
    if found.probes or found.pre_stop:
        raise Unsupported("a sidecar with probes or hooks")
    return found


def _variable(each: Object) -> Variable:
    name = each["name"]
    if "valueFrom" not in each:
        return Variable(name, "value", each.get("value", ""))
    ((kind, source),) = each["valueFrom"].items()
    if kind == "fieldRef":
        return Variable(name, "field", source["fieldPath"])
    if kind not in _KEY_REFERENCES:
        raise Unsupported(f"variable {name} from {kind}")
    optional = source.get("optional", False)
    return Variable(name, _KEY_REFERENCES[kind], source["name"], source["key"], optional)


_KEY_REFERENCES = {"secretKeyRef": "secret", "configMapKeyRef": "config"}
_WHOLE_REFERENCES = {"secretRef": "secret", "configMapRef": "config"}


def _source(each: Object) -> Variable:
    ((kind, source),) = ((k, v) for k, v in each.items() if k != "prefix")
    optional = source.get("optional", False)
    return Variable(
        each.get("prefix", ""), _WHOLE_REFERENCES[kind], source["name"], optional=optional
    )


def _probe(each: Object, ports: Mapping[str, int]) -> Probe:
    get = each.get("httpGet")
    if get is None or "host" in get:
        raise Unsupported("a probe that is not by HTTP to the pod")
    return Probe(
        scheme=get.get("scheme", "HTTP"),
        path=get.get("path", "/"),
        port=ports[get["port"]] if isinstance(get["port"], str) else get["port"],
        headers=tuple((header["name"], header["value"]) for header in get.get("httpHeaders", ())),
        initial_delay=each.get("initialDelaySeconds", 0),
        period=each.get("periodSeconds", 10),
        timeout=each.get("timeoutSeconds", 1),
        successes=each.get("successThreshold", 1),
        failures=each.get("failureThreshold", 3),
    )


def _service(each: Object) -> Service:
    spec = each["spec"]
    return Service(
        _name(each),
        dict(each["metadata"].get("labels", {})),
        dict(spec["selector"]),
        {port["port"]: port.get("targetPort", port["port"]) for port in spec["ports"]},
        {port["name"]: port["port"] for port in spec["ports"] if "name" in port},
    )


def _ingress_routes(each: Object, services: Mapping[str, Service]) -> Iterator[Route]:
    if "defaultBackend" in each["spec"]:
        raise Unsupported("an Ingress with a default backend")
    for rule in each["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            if path["pathType"] not in ("Prefix", "Exact"):
                raise Unsupported(f"an Ingress path of type {path['pathType']}")
            backend = path["backend"]["service"]
            port = backend["port"]
            number = port.get("number")
            if number is None:
                number = services[backend["name"]].port_names[port["name"]]
            yield Route(
                rule["host"], path["path"], path["pathType"] == "Exact", backend["name"], number
            )


def _http_routes(each: Object) -> Iterator[Route]:
    spec = each["spec"]
    for rule in spec["rules"]:
        if rule.keys() - {"name", "matches", "backendRefs", "timeouts", "filters"}:
            raise Unsupported(f"a rule of HTTPRoute {_name(each)} with more than a path")
        (backend,) = rule["backendRefs"]
        for match in rule.get("matches", ({"path": {"value": "/"}},)):
            if match.keys() != {"path"}:
                raise Unsupported(f"a match of HTTPRoute {_name(each)} by more than a path")
            kind = match["path"].get("type", "PathPrefix")
            if kind not in ("PathPrefix", "Exact"):
                raise Unsupported(f"an HTTPRoute path of type {kind}")
            for host in spec["hostnames"]:
                yield Route(
                    host,
                    match["path"]["value"],
                    kind == "Exact",
                    backend["name"],
                    backend["port"],
                    rule.get("timeouts", {}).get("request"),
                    tuple(rule.get("filters", ())),
                )


_TRAEFIK = "traefik.ingress.kubernetes.io/service."


def _by_traefik(
    services: Iterable[Object], transports: Iterable[Object]
) -> dict[str, BackendTls | None]:
    """By Service, what its annotations and the ServersTransport that they name ask of Traefik."""
    found = {
        f"{each['metadata']['namespace']}-{_name(each)}@kubernetescrd": each for each in transports
    }
    asked: dict[str, BackendTls | None] = {}
    for service in services:
        annotations = service["metadata"].get("annotations", {})
        if annotations.get(f"{_TRAEFIK}serversscheme") != "https":
            continue
        spec = found[annotations[f"{_TRAEFIK}serverstransport"]]["spec"]
        if unknown := spec.keys() - {"serverName", "rootCAs", "certificatesSecrets"}:
            raise Unsupported(f"fields of a ServersTransport: {unknown}")
        (authority,) = spec["rootCAs"]
        presented = spec.get("certificatesSecrets", [None])
        asked[_name(service)] = BackendTls(
            spec["serverName"], ("secret", authority["secret"]), presented[0]
        )
    return asked


def _by_gateway(policy: Object) -> tuple[str, BackendTls]:
    """The Service of a BackendTLSPolicy, and what it asks of gateways."""
    spec = policy["spec"]
    (target,) = spec["targetRefs"]
    (authority,) = spec["validation"]["caCertificateRefs"]
    if (target["kind"], authority["kind"]) != ("Service", "ConfigMap"):
        raise Unsupported(f"BackendTLSPolicy {_name(policy)}")
    name = spec["validation"]["hostname"]
    return target["name"], BackendTls(name, ("config", authority["name"]))


def _monitors(each: Object) -> Iterator[Monitor]:
    spec = each["spec"]
    kind = each["kind"]
    for endpoint in spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"]:
        yield Monitor(
            _name(each),
            kind,
            dict(spec["selector"]["matchLabels"]),
            endpoint.get("port") or endpoint["targetPort"],
            kind == "PodMonitor" or "port" not in endpoint,
            endpoint.get("path", "/metrics"),
            endpoint.get("scheme", "http"),
            endpoint.get("tlsConfig", {}),
            tuple(endpoint.get("relabelings", ())),
        )


def environment(
    container: Container,
    secrets: Mapping[str, Mapping[str, str]],
    configs: Mapping[str, Mapping[str, str]],
    fields: Mapping[str, str],
) -> dict[str, str]:
    """A container's variables, `envFrom` first; KeyError for a reference that leads nowhere."""
    found: dict[str, str] = {}
    for variable in container.variables:
        if variable.kind == "value":
            found[variable.name] = expand(variable.source, found)
            continue
        if variable.kind == "field":
            found[variable.name] = fields[variable.source]
            continue
        kinds = {"secret": secrets, "config": configs}
        data = kinds[variable.kind].get(variable.source)
        if data is None or (variable.key and variable.key not in data):
            if variable.optional:
                continue
            raise KeyError(f"{variable.kind} {variable.source} {variable.key} for {container.name}")
        if variable.key:
            found[variable.name] = data[variable.key]
        else:
            found.update({variable.name + key: value for key, value in data.items()})
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Kubernetes's `$(NAME)`; one that is not known stays, and `$$` is `$`."""
    parts = text.split("$$")
    for number, part in enumerate(parts):
        for name, value in variables.items():
            part = part.replace(f"$({name})", value)
        parts[number] = part
    return "$".join(parts)
