"""What must hold for any set of rendered objects, from the chart or from kustomize."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.kubernetes.schemas import pod_of
from tests.kubernetes.tools import Object

PREFIX = "app.kubernetes.io/"
LABELS = frozenset(
    PREFIX + name for name in ("name", "instance", "component", "version", "managed-by", "part-of")
)
SERVERS = {"metadata": 5000, "artifacts": 5500}
"""The containers that serve, by the name of their component, with their ports."""

_OURS = frozenset(
    {
        "Deployment", "Job", "CronJob", "Service", "ServiceAccount", "HorizontalPodAutoscaler",
        "ScaledObject", "PodDisruptionBudget", "NetworkPolicy", "Ingress", "HTTPRoute",
        "PodMonitor", "ServiceMonitor", "PersistentVolumeClaim", "Pod",
    }
)  # fmt: skip
"""Kinds of which each object belongs to one component; ConfigMaps and Secrets may be anybody's."""

_IMAGE = re.compile(r"\S+/\S+(:(?P<tag>[\w][\w.-]*)|@sha256:[0-9a-f]{64})")
_EXIT_SECONDS = 15


def problems(objects: list[Object]) -> list[str]:
    """A sentence for each thing that does not hold; an empty list when all does."""
    checks = (_identities, _workloads, _selectors, _scalers, _routes, _hosts)
    return [sentence for check in checks for sentence in check(objects)]


def name_of(obj: Object) -> str:
    return f"{obj['kind']}/{obj['metadata']['name']}"


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def workloads(objects: list[Object]) -> list[Object]:
    return [each for each in objects if pod_of(each)]


def component(obj: Object) -> str:
    return str((obj["metadata"].get("labels") or {}).get(PREFIX + "component"))


def flags(container: Object) -> dict[str, str]:
    """The values of a container's flags; those without a value have an empty one."""
    args = container.get("args", [])
    following = [*args[1:], ""]
    return {
        each: "" if value.startswith("--") else value
        for each, value in zip(args, following, strict=True)
        if each.startswith("--")
    }


def server_of(deployment: Object) -> Object:
    """The container that serves; a Deployment has one named as its component."""
    pod = pod_of(deployment)
    assert pod is not None
    found = [each for each in pod["spec"]["containers"] if each["name"] == component(deployment)]
    assert len(found) == 1, f"{name_of(deployment)}: no container {component(deployment)}"
    return dict(found[0])


def _identities(objects: list[Object]) -> Iterator[str]:
    """No object twice; labels everywhere, and those of a release the same; names by one scheme."""
    counted = Counter((name_of(each), each["metadata"].get("namespace")) for each in objects)
    for (name, _), count in counted.items():
        if count > 1:
            yield f"{name} is there {count} times"
    for namespace in {each["metadata"].get("namespace") for each in objects} - {"tandem", None}:
        yield f"the namespace {namespace} is not the release's"
    ours = of_kind(objects, *_OURS)
    for label in ("name", "instance", "version", "managed-by"):
        values = {(each["metadata"].get("labels") or {}).get(PREFIX + label) for each in ours}
        if len(values) > 1:
            yield f"the label {label} has several values: {sorted(map(str, values))}"
    fullname = {
        each["metadata"]["name"].removesuffix("-" + component(each))
        for each in of_kind(objects, "Deployment")
    }
    for each in ours:
        if missing := LABELS - (each["metadata"].get("labels") or {}).keys():
            yield f"{name_of(each)} lacks the labels {sorted(missing)}"
        suffix = "migrate" if component(each) == "migration" else component(each)
        # A Job has the hash of its contents; what holds for helm test only is called after it.
        end = "(-[0-9a-f]+|-test)?"
        if not any(
            re.fullmatch(rf"{re.escape(full)}-{suffix}{end}", each["metadata"]["name"])
            for full in fullname
        ):
            yield f"{name_of(each)} is not named as its component {component(each)}"
        if (pod := pod_of(each)) and (
            missing := LABELS - (pod["metadata"].get("labels") or {}).keys()
        ):
            yield f"the pods of {name_of(each)} lack the labels {sorted(missing)}"


def _workloads(objects: list[Object]) -> Iterator[str]:
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    used = []
    for workload in workloads(objects):
        name, spec = name_of(workload), pod_of(workload)["spec"]  # type: ignore[index]
        used.append(spec.get("serviceAccountName"))
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} mounts a token"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} gets Services as variables"
        if workload["kind"] == "Deployment":
            yield from (f"{name}: {each}" for each in _server_problems(workload, spec))
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            whose = f"{name}, container {container['name']}"
            image = _IMAGE.fullmatch(container["image"])
            if not image or image["tag"] == "latest":
                yield f"{whose}: the image {container['image']} may be another one tomorrow"
            if container.get("command", [""])[0].startswith("tandem-"):
                yield from (f"{whose}: {each}" for each in _own_problems(container, spec))
    for unused in accounts - set(used):
        yield f"no pod uses ServiceAccount/{unused}"
    for shared in {each for each in used if used.count(each) > 1}:
        yield f"several workloads use ServiceAccount/{shared}"


def _own_problems(container: Object, spec: Object) -> Iterator[str]:
    """What holds for Tandem's own containers, and may not for those that somebody adds."""
    resources = container.get("resources") or {}
    kept = {"memory", "ephemeral-storage"}
    for kind, needed in (("requests", {"cpu", *kept}), ("limits", kept)):
        if missing := needed - (resources.get(kind) or {}).keys():
            yield f"{kind} lack {sorted(missing)}"
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
        yield "its root file system is not read-only"
    environ = {each["name"]: each.get("value") for each in container.get("env", [])}
    mounts = {each["mountPath"]: each["name"] for each in container.get("volumeMounts", [])}
    empty = {each["name"] for each in spec.get("volumes", []) if "emptyDir" in each}
    if environ.get("TMPDIR") != "/tmp" or mounts.get("/tmp") not in empty:
        yield "TMPDIR is not an emptyDir at /tmp"
    if container["command"] == ["tandem-artifacts"] and "MLFLOW_BACKEND_STORE_URI" in environ:
        yield "artifacts knows the database"
    if container["command"] == ["tandem-metadata"]:
        if "MLFLOW_BACKEND_STORE_URI" not in environ:
            yield "metadata does not know the database"
        for foreign in environ.keys() & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}:
            yield f"metadata has the object store's {foreign}"


def _server_problems(deployment: Object, spec: Object) -> Iterator[str]:
    """Port, probes and a graceful end of the container that serves."""
    server, port = server_of(deployment), SERVERS[component(deployment)]
    given = flags(server)
    ports = [("http", port)]
    asked_at = {"port": "http", "scheme": "HTTPS"} if "--tls-cert" in given else {"port": "http"}
    if "--tls-client-ca" in given:  # a kubelet has no certificate
        ports.append(("probes", int(given["--probe-port"])))
        asked_at = {"port": "probes"}
    if server.get("ports") != [
        {"name": name, "containerPort": number, "protocol": "TCP"} for name, number in ports
    ]:
        yield f"its ports are {server.get('ports')}"
    if given.get("--port") != str(port):
        yield f"it listens on {given.get('--port')}, not on {port}"
    for probe, path in (("startup", "/health"), ("liveness", "/health"), ("readiness", "/ready")):
        asked = server.get(f"{probe}Probe", {}).get("httpGet")
        if asked != {"path": given.get("--static-prefix", "") + path, **asked_at}:
            yield f"its {probe} probe asks {asked}"
    pause = server.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if not pause:
        yield "it ends before proxies hear of it: there is no preStop"
    wanted = pause + int(given["--shutdown-delay"]) + int(given["--graceful-timeout"])
    if spec["terminationGracePeriodSeconds"] != wanted + _EXIT_SECONDS:
        yield f"its grace period is {spec['terminationGracePeriodSeconds']}, its end takes {wanted}"
    migrates = any("upgrade" in each.get("args", []) for each in spec.get("initContainers", []))
    if component(deployment) == "metadata" and "--no-migrate" not in given:
        yield "its pods migrate"
    single = deployment["spec"].get("replicas") == 1
    recreated = deployment["spec"]["strategy"] == {"type": "Recreate"}
    claims = any("persistentVolumeClaim" in each for each in spec["volumes"])
    if (claims or migrates) and not (single and recreated):
        yield "several pods may share its volume"


def _matching(objects: list[Object], labels: Mapping[str, Any]) -> list[Object]:
    """The workloads whose pods have these labels."""
    return [
        each
        for each in workloads(objects)
        if labels.items() <= pod_of(each)["metadata"]["labels"].items()  # type: ignore[index]
    ]


def _selectors(objects: list[Object]) -> Iterator[str]:
    """Whatever selects pods selects those of one workload, and that of its own component."""
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "Service":
            selector = spec["selector"]
        elif each["kind"] in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
            selector = spec["selector"]["matchLabels"]
        elif each["kind"] == "NetworkPolicy":
            selector = spec["podSelector"]["matchLabels"]
        else:
            continue
        found = _matching(objects, selector)
        if [component(it) for it in found] != [component(each)]:
            yield f"{name_of(each)} selects the pods of {[name_of(it) for it in found]}"
        elif each["kind"] == "Service":
            ports = [port["name"] for port in server_of(found[0])["ports"]]
            spoken = "https" if "--tls-cert" in flags(server_of(found[0])) else "http"
            for port in spec["ports"]:
                if port["targetPort"] not in ports:
                    yield f"{name_of(each)} leads to the port {port['targetPort']}"
                if port["appProtocol"] != spoken:
                    yield f"{name_of(each)} says {port['appProtocol']} of {spoken}"
    for each in of_kind(objects, "ServiceMonitor"):
        labels = each["spec"]["selector"]["matchLabels"].items()
        services = [
            service
            for service in of_kind(objects, "Service")
            if labels <= service["metadata"]["labels"].items()
        ]
        if [component(service) for service in services] != [component(each)]:
            yield f"{name_of(each)} selects {[name_of(service) for service in services]}"


def _scalers(objects: list[Object]) -> Iterator[str]:
    deployments = {each["metadata"]["name"]: each for each in of_kind(objects, "Deployment")}
    scaled = []
    for scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        deployment = deployments.get(target["name"])
        if not deployment or component(deployment) != component(scaler):
            yield f"{name_of(scaler)} scales {target['name']}"
            continue
        scaled.append(target["name"])
        for metric in scaler["spec"].get("metrics", []):
            measured = metric.get("resource", {}).get("name")
            requests = server_of(deployment)["resources"]["requests"]
            if measured and measured not in requests:
                yield f"{name_of(scaler)} measures {measured}, which is not requested"
    for name, deployment in deployments.items():
        if scaled.count(name) > 1:
            yield f"Deployment/{name} is scaled by several"
        if name in scaled and "replicas" in deployment["spec"]:
            yield f"Deployment/{name} has replicas, and an autoscaler too"


def _routes(objects: list[Object]) -> Iterator[str]:
    """Routes lead to the Service of their component, by a port that it has."""
    services = {each["metadata"]["name"]: each for each in of_kind(objects, "Service")}
    for route in of_kind(objects, "Ingress", "HTTPRoute"):
        for name, port in _backends(route):
            service = services.get(name, {"metadata": {}, "spec": {"ports": []}})
            ports = [it[key] for it in service["spec"]["ports"] for key in ("name", "port")]
            if port not in ports or component(service) != component(route):
                yield f"{name_of(route)} leads to {name}:{port}"


def _backends(route: Object) -> Iterator[tuple[str, Any]]:
    for rule in route["spec"]["rules"]:
        for backend in rule.get("backendRefs", []):
            yield backend["name"], backend["port"]
        for path in rule.get("http", {}).get("paths", []):
            service = path["backend"]["service"]
            yield service["name"], service["port"].get("name", service["port"].get("number"))


def _paths(route: Object) -> Iterator[str]:
    for rule in route["spec"]["rules"]:
        for match in rule.get("matches", []):
            yield match["path"]["value"]
        for path in rule.get("http", {}).get("paths", []):
            yield path["path"]


def _hosts(objects: list[Object]) -> Iterator[str]:
    """One artifacts host everywhere: default root, accepted hosts, routes, certificates."""
    servers = {component(each): flags(server_of(each)) for each in of_kind(objects, "Deployment")}
    hosts = {each: servers[each]["--allowed-hosts"].split(",")[0] for each in SERVERS}
    root = servers["metadata"]["--default-artifact-root"]
    if root != f"mlflow-artifacts://{hosts['artifacts']}/":
        yield f"the default root {root} is not at {hosts['artifacts']}"
    if servers["metadata"]["--artifact-hosts"] != hosts["artifacts"]:
        yield f"metadata follows {servers['metadata']['--artifact-hosts']}"
    origin = servers["artifacts"].get("--cors-allowed-origins", "")
    apart = hosts["metadata"] != hosts["artifacts"]
    if origin.partition("://")[2] != (hosts["metadata"] if apart else ""):
        yield f"artifacts allows the origin {origin!r}"
    url = servers["metadata"]["--artifacts-url"]
    scheme, _, address = url.partition("://")
    if scheme != ("https" if "--tls-cert" in servers["artifacts"] else "http"):
        yield f"metadata calls {url}, where artifacts does not listen"
    service = address.partition(":")[0]
    if service not in {each["metadata"]["name"] for each in of_kind(objects, "Service")}:
        yield f"metadata calls {url}, which is no Service"
    prefixes = {each: given.get("--static-prefix", "") for each, given in servers.items()}
    if len(set(prefixes.values())) > 1 or not url.endswith(prefixes["artifacts"]):
        yield f"the services are below {prefixes}, and metadata calls {url}"
    for route in of_kind(objects, "Ingress", "HTTPRoute"):
        for path in _paths(route):
            if not path.startswith(prefixes["artifacts"]):
                yield f"{name_of(route)} has the path {path}, not below {prefixes['artifacts']}"
        spec, wanted = route["spec"], [hosts[component(route)]]
        named = [*spec.get("hostnames", []), *(it["host"] for it in spec["rules"] if "host" in it)]
        if named != wanted:
            yield f"{name_of(route)} is for {named}, not {wanted}"
        for tls in spec.get("tls", []):
            if tls["hosts"] != wanted:
                yield f"{name_of(route)} has a certificate for {tls['hosts']}"
