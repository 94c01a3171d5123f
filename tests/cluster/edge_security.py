"""What Ingresses or HTTPRoutes ask of Traefik besides routes: who may come in.

Traefik's own objects are translated as its Kubernetes provider does it; what they say is passed on
as it is, and Traefik itself refuses fields that it does not know.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import debian
from tests.cluster.objects import Unsupported
from tests.harness.processes import free_port, running
from tests.kubernetes.tools import Object

_PREFIX = "traefik.ingress.kubernetes.io/router."
_KNOWN = {"middlewares", "tls.options"}
_OWN = "traefik.io/v1alpha1"

Secrets = Mapping[str, Mapping[str, str]]


def amendment(
    objects: Sequence[Object], secrets: Secrets, addresses: Mapping[str, str], directory: Path
) -> Callable[[dict[str, Any]], None]:
    """What puts the routes' middlewares and TLS options into a configuration of routes.

    All routes must ask for the same, by names that exist: Traefik leaves the others out. Host
    names in URLs are replaced by `addresses`; files that Traefik reads are put into `directory`.
    """
    asked = {
        _by_annotations(each) if each["kind"] == "Ingress" else _by_filters(each)
        for each in objects
        if each["kind"] in ("Ingress", "HTTPRoute")
    }
    assert len(asked) == 1, f"the routes differ in who may come in: {asked}"
    wanted = dict(*asked)
    found = {
        f"{each['metadata']['namespace']}-{each['metadata']['name']}@kubernetescrd": each
        for each in objects
        if each["apiVersion"] == _OWN
    }
    middlewares = wanted["middlewares"].split(",") if "middlewares" in wanted else []
    options = wanted.get("tls.options")
    http = {
        name: _middleware(_spec(found, name, "Middleware"), secrets, addresses)
        for name in middlewares
    }
    tls = _tls_options(_spec(found, options, "TLSOption"), secrets, directory) if options else {}

    def amend(configuration: dict[str, Any]) -> None:
        for router in configuration["http"]["routers"].values():
            if middlewares:
                router["middlewares"] = [_local(name) for name in middlewares]
            if options:
                router["tls"] = {"options": _local(options)}
        if http:
            configuration["http"]["middlewares"] = {
                _local(name): each for name, each in http.items()
            }
        if options:
            configuration["tls"]["options"] = {_local(options): tls}

    return amend


@contextmanager
def token_checker(objects: Sequence[Object], secrets: Secrets, directory: Path) -> Iterator[str]:
    """nginx as the objects configure it, for Traefik to ask; gives its address."""
    deployment, configuration = (
        next(
            each for each in objects if each["kind"] == kind and "edge" in each["metadata"]["name"]
        )
        for kind in ("Deployment", "ConfigMap")
    )
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    contents = {"configMap": configuration["data"]}
    volumes = {each["name"]: each for each in pod["volumes"]}
    port = free_port()
    here: dict[str, Path] = {}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        folder = directory / mount["name"]
        folder.mkdir(parents=True)
        here[mount["mountPath"]] = folder
        if "secret" in volume:
            contents["secret"] = secrets[volume["secret"]["secretName"]]
        for kind in contents.keys() & volume.keys():
            for name, text in contents[kind].items():
                (folder / name).write_text(text)
    declared = container["ports"][0]["containerPort"]
    for path in here["/etc/edge"].iterdir():
        text = path.read_text().replace(f"listen {declared};", f"listen 127.0.0.1:{port};")
        path.write_text(_moved(text, here))
    command = [_moved(part, here) for part in container["command"]]
    program = debian.find(command[0], package="nginx-light")
    path = container["readinessProbe"]["httpGet"]["path"]
    log, host = directory / "nginx.log", f"127.0.0.1:{port}"
    with running([program, *command[1:]], log, path, url=f"http://{host}"):
        yield host


def _by_filters(route: Object) -> tuple[tuple[str, str], ...]:
    """A filter names an object of its route's own namespace."""
    names = set()
    for rule in route["spec"]["rules"]:
        wanted = []
        for each in rule["filters"]:
            if each["type"] != "ExtensionRef" or each["extensionRef"]["group"] != "traefik.io":
                raise Unsupported(f"a filter of type {each['type']}")
            assert each["extensionRef"]["kind"] == "Middleware"
            name = f"{route['metadata']['namespace']}-{each['extensionRef']['name']}"
            wanted.append(f"{name}@kubernetescrd")
        names.add(",".join(wanted))
    assert len(names) == 1, f"the rules differ in who may come in: {names}"
    return (("middlewares", *names),)


def _by_annotations(ingress: Object) -> tuple[tuple[str, str], ...]:
    annotations = ingress["metadata"].get("annotations", {})
    asked = {
        name.removeprefix(_PREFIX): value
        for name, value in annotations.items()
        if name.startswith(_PREFIX)
    }
    if unknown := asked.keys() - _KNOWN:
        raise Unsupported(f"annotations of Traefik: {unknown}")
    return tuple(sorted(asked.items()))


def _spec(found: Mapping[str, Object], name: str, kind: str) -> Object:
    assert name in found, f"there is no {kind} {name} among {sorted(found)}"
    assert found[name]["kind"] == kind
    spec: Object = found[name]["spec"]
    return spec


def _middleware(spec: Object, secrets: Secrets, addresses: Mapping[str, str]) -> Object:
    (kind,) = spec
    settings = dict(spec[kind])
    if kind == "basicAuth":
        (users,) = secrets[settings.pop("secret")].values()  # Traefik wants exactly one
        settings["users"] = users.split()
    elif kind == "forwardAuth":
        host = re.match(r"http://([^/]+)/", settings["address"])
        assert host is not None
        settings["address"] = settings["address"].replace(host[1], addresses[host[1]])
    elif kind != "passTLSClientCert":
        raise Unsupported(f"a middleware of kind {kind}")
    return {kind: settings}


def _tls_options(spec: Object, secrets: Secrets, directory: Path) -> Object:
    settings = dict(spec)
    clients = dict(settings["clientAuth"])
    files = []
    for name in clients.pop("secretNames"):
        path = directory / f"{name}.pem"
        path.write_text(secrets[name]["ca.crt"])
        files.append(str(path))
    return settings | {"clientAuth": clients | {"caFiles": files}}


def _local(name: str) -> str:
    """Objects of a file have no provider in their name."""
    return name.removesuffix("@kubernetescrd")


def _moved(text: str, folders: Mapping[str, Path]) -> str:
    paths = "|".join(map(re.escape, folders))
    return re.sub(rf"(?<!\S)({paths})(?=/)", lambda found: str(folders[found[1]]), text)
