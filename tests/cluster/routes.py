"""How pods are reached: Services, and the routes that lead to them from outside."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.cluster.objects import Object, Unsupported, name_of


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


def service(each: Object) -> Service:
    """What a Service says."""
    spec = each["spec"]
    return Service(
        name_of(each),
        dict(each["metadata"].get("labels", {})),
        dict(spec["selector"]),
        {port["port"]: port.get("targetPort", port["port"]) for port in spec["ports"]},
        {port["name"]: port["port"] for port in spec["ports"] if "name" in port},
    )


def ingress_routes(each: Object, services: Mapping[str, Service]) -> Iterator[Route]:
    """The routes of an Ingress; `services` know the ports that it names."""
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


def http_routes(each: Object) -> Iterator[Route]:
    """The routes of an HTTPRoute."""
    spec = each["spec"]
    for rule in spec["rules"]:
        if rule.keys() - {"name", "matches", "backendRefs", "timeouts", "filters"}:
            raise Unsupported(f"a rule of HTTPRoute {name_of(each)} with more than a path")
        (backend,) = rule["backendRefs"]
        for match in rule.get("matches", ({"path": {"value": "/"}},)):
            if match.keys() != {"path"}:
                raise Unsupported(f"a match of HTTPRoute {name_of(each)} by more than a path")
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


def by_traefik(
    services: Iterable[Object], transports: Iterable[Object]
) -> dict[str, BackendTls | None]:
    """By Service, what its annotations and the ServersTransport that they name ask of Traefik."""
    found = {
        f"{each['metadata']['namespace']}-{name_of(each)}@kubernetescrd": each
        for each in transports
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
        asked[name_of(service)] = BackendTls(
            spec["serverName"], ("secret", authority["secret"]), presented[0]
        )
    return asked


def by_gateway(policy: Object) -> tuple[str, BackendTls]:
    """The Service of a BackendTLSPolicy, and what it asks of gateways."""
    spec = policy["spec"]
    (target,) = spec["targetRefs"]
    (authority,) = spec["validation"]["caCertificateRefs"]
    if (target["kind"], authority["kind"]) != ("Service", "ConfigMap"):
        raise Unsupported(f"BackendTLSPolicy {name_of(policy)}")
    name = spec["validation"]["hostname"]
    return target["name"], BackendTls(name, ("config", authority["name"]))
