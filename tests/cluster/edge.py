"""The edge of a cluster: a real Traefik over TLS, with the routes of Ingresses or HTTPRoutes.

As an ingress controller does, it sends requests straight to the ready pods, follows their changes,
and keeps connections to them open. Its own settings are those that the chart's notes ask for.
"""

import contextlib
import http.client
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.objects import Unsupported
from tests.cluster.routes import Route
from tests.harness import traefik
from tests.harness.certificates import Authority
from tests.harness.processes import free_port

Endpoints = Callable[[str, int], list[tuple[str, int]]]
Held = Callable[[str, str], Mapping[str, str]]


@dataclass(frozen=True)
class Edge:
    """A running Traefik."""

    address: tuple[str, int]
    """Where it listens for TLS; all hosts are to be reached there."""
    hosts: frozenset[str]
    authority: Path
    """The certificate by which clients know it."""
    update: Callable[[], None]
    """Has to be called when endpoints have changed."""


@contextmanager
def serve(
    directory: Path,
    routes: Sequence[Route],
    names: Iterable[str],
    endpoints: Endpoints,
    amend: Callable[[dict[str, Any]], None] | None = None,
    held: Held = lambda _kind, _name: {},
) -> Iterator[Edge]:
    """Traefik with these routes, and one certificate for the given names.

    `amend` may add to its configuration what routes do not say, and what their filters say. `held`
    gives the contents of Secrets and ConfigMaps that routes by TLS name.
    """
    if amend is None and any(route.filters for route in routes):
        raise Unsupported("filters of HTTPRoutes")
    directory.mkdir()
    authority = Authority.create(directory)
    certificate, key = authority.issue("edge", sorted(set(names)))
    lock = threading.Lock()

    def update() -> None:
        with lock:
            described = _configuration(routes, endpoints)
            if any(route.tls for route in routes):
                transports = _transports(routes, held, directory)
                described["http"]["serversTransports"] = transports
            described["tls"] = {"certificates": [{"certFile": certificate, "keyFile": key}]}
            if amend:
                amend(described)
            traefik.write_routes(directory, described)

    update()
    address = ("127.0.0.1", free_port())
    options = [
        f"--entrypoints.websecure.address={address[0]}:{address[1]}",
        "--entrypoints.websecure.http.tls=true",
        f"--entrypoints.websecure.transport.respondingtimeouts.readtimeout={_longest(routes)}",
    ]
    hosts = frozenset(route.host for route in routes)
    with traefik.serve(directory, options, lambda: _is_there(address, routes[0]), watch=True):
        yield Edge(address, hosts, authority.certificate, update)


def _configuration(routes: Sequence[Route], endpoints: Endpoints) -> dict[str, Any]:
    routers, backends = {}, {}
    for number, route in enumerate(routes):
        name = f"route-{number}"
        routers[name] = {
            "rule": f"Host(`{route.host}`) && ({_path_rule(route)})",
            # An exact path goes before any prefix, and a longer prefix before a shorter one.
            "priority": 1 + len(route.path) + (10_000 if route.exact else 0),
            "service": name,
            "entryPoints": ["websecure"],
        }
        pods = endpoints(route.service, route.port)
        scheme = "https" if route.tls else "http"
        urls = [{"url": f"{scheme}://{address}:{port}"} for address, port in pods]
        balancer: dict[str, Any] = {"servers": urls, "passHostHeader": True}
        if route.tls:
            balancer["serversTransport"] = route.service
        backends[name] = {"loadBalancer": balancer}
    return {"http": {"routers": routers, "services": backends}}


def _transports(routes: Sequence[Route], held: Held, directory: Path) -> dict[str, Any]:
    """By Service, how Traefik speaks TLS to its pods; what it reads is written to `directory`."""
    transports = {}
    for service, tls in {route.service: route.tls for route in routes if route.tls}.items():
        authority = directory / f"{service}-ca.pem"
        authority.write_text(held(*tls.authority)["ca.crt"])
        transports[service] = {"serverName": tls.server_name, "rootCAs": [str(authority)]}
        if tls.certificate:
            files = [directory / f"{service}.{kind}" for kind in ("crt", "key")]
            for file in files:
                file.write_text(held("secret", tls.certificate)[f"tls{file.suffix}"])
            presented = dict(zip(("certFile", "keyFile"), map(str, files), strict=True))
            transports[service]["certificates"] = [presented]
    return transports


def _path_rule(route: Route) -> str:
    """Prefixes are of whole path elements: /a has /a/b below it, and not /ab."""
    if route.exact:
        return f"Path(`{route.path}`)"
    if route.path == "/":
        return "PathPrefix(`/`)"
    path = route.path.rstrip("/")
    return f"Path(`{path}`) || PathPrefix(`{path}/`)"


def _longest(routes: Sequence[Route]) -> str:
    """How long a request may take to arrive: Traefik knows one such bound for all routes.

    An Ingress names none; then it is what an operator sets so that long uploads pass.
    """
    named = {route.request_timeout for route in routes} - {None}
    if named - {"0s"}:
        raise Unsupported(f"timeouts {named} on routes")
    return "0s"


def _is_there(address: tuple[str, int], route: Route) -> bool:
    """Whether a route is there: its answer may be any but Traefik's own 404, which has no id."""
    context = ssl._create_unverified_context()
    with contextlib.closing(
        http.client.HTTPSConnection(*address, timeout=5, context=context)
    ) as connection:
        try:
            connection.request("HEAD", route.path, headers={"Host": route.host})
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        return answer.status != http.client.NOT_FOUND or bool(answer.getheader("X-Request-Id"))
