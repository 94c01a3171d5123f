"""What a pod template says of its containers: what they run, with which variables and probes."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.cluster.objects import Object, Unsupported


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


def template(each: Object) -> Template:
    """What `template` of a workload says, or a Pod itself."""
    spec = each["spec"]
    if len(spec["containers"]) != 1:
        raise Unsupported("a pod of several containers that are no native sidecars")
    return Template(
        labels=dict(each["metadata"].get("labels", {})),
        annotations=dict(each["metadata"].get("annotations", {})),
        container=_container(spec["containers"][0]),
        sidecars=tuple(map(_sidecar, spec.get("initContainers", ()))),
        volumes={volume["name"]: volume for volume in spec.get("volumes", ())},
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
