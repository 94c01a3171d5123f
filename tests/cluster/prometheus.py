"""A real Prometheus that scrapes what the manifests tell a Prometheus to scrape."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.edge import Held
from tests.cluster.kubelet import Pod
from tests.cluster.manifests import Manifests, Monitor
from tests.cluster.objects import Object
from tests.harness.processes import eventually
from tests.harness.prometheus import Prometheus, running

_SNAKE = re.compile("([A-Z])")


@dataclass(frozen=True)
class Target:
    """One port of one pod, with the labels that are put on what is scraped there."""

    address: str
    path: str
    labels: Mapping[str, str]
    relabelings: tuple[Object, ...] = ()
    scheme: str = "http"
    tls: Object = field(default_factory=dict)
    """`tlsConfig` of a monitor."""


def annotated(namespace: str, pods: Iterable[Pod]) -> list[Target]:
    """The targets that the usual configuration for `prometheus.io/…` annotations finds."""
    return [
        Target(
            f"{pod.address}:{pod.template.annotations['prometheus.io/port']}",
            pod.template.annotations.get("prometheus.io/path", "/metrics"),
            {"job": "kubernetes-pods", "namespace": namespace, "pod": pod.name},
            scheme=pod.template.annotations.get("prometheus.io/scheme", "http"),
        )
        for pod in pods
        if pod.template.annotations.get("prometheus.io/scrape") == "true"
    ]


def monitored(manifests: Manifests, pods: Sequence[Pod]) -> list[Target]:
    """The targets that the Prometheus operator finds by monitors, labelled as it does."""
    return [
        target
        for monitor in manifests.monitors
        for target in (_by_service if monitor.kind == "ServiceMonitor" else _by_pod)(
            monitor, manifests, pods
        )
    ]


def _by_service(monitor: Monitor, manifests: Manifests, pods: Sequence[Pod]) -> Iterator[Target]:
    for service in manifests.services.values():
        if monitor.selector.items() <= service.labels.items():
            port = monitor.port
            if not monitor.by_pod_port:
                port = service.ports[service.port_names[monitor.port]]
            own = {"job": service.name, "service": service.name}
            yield from _targets(monitor, manifests, pods, service.selector, port, own)


def _by_pod(monitor: Monitor, manifests: Manifests, pods: Sequence[Pod]) -> Iterator[Target]:
    own = {"job": f"{manifests.namespace}/{monitor.name}"}
    yield from _targets(monitor, manifests, pods, monitor.selector, monitor.port, own)


def _targets(
    monitor: Monitor,
    manifests: Manifests,
    pods: Sequence[Pod],
    selector: Mapping[str, str],
    port: int | str,
    own: Mapping[str, str],
) -> Iterator[Target]:
    for pod in pods:
        if selector.items() <= pod.template.labels.items():
            number = pod.container.ports[port] if isinstance(port, str) else port
            labels = {
                "namespace": manifests.namespace,
                "pod": pod.name,
                "container": pod.container.name,
                "endpoint": monitor.port,
                **own,
            }
            yield Target(
                f"{pod.address}:{number}",
                monitor.path,
                labels,
                monitor.relabelings,
                monitor.scheme,
                monitor.tls,
            )


@contextmanager
def serve(
    directory: Path,
    targets: Sequence[Target],
    rules: Iterable[Object] = (),
    more: Sequence[Object] = (),
    held: Held = lambda _kind, _name: {},
) -> Iterator[Prometheus]:
    """Prometheus with these targets, and the rules of PrometheusRules; it has scraped them once.

    `more` are further scrape configurations, each of one target. `held` gives the contents of
    Secrets that monitors name.

    Rules are evaluated every second, whatever intervals are asked for.
    """
    directory.mkdir()
    groups = [{**group, "interval": "1s"} for each in rules for group in each.get("groups", ())]
    configs = [*_scrape_configs(targets, held, directory), *more]
    with running(directory, configs, groups) as server:
        eventually(lambda: len(server.query("up")) == len(configs), "all targets were scraped")
        yield server


def by_pod(series: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """The labels of a query's series, by pod."""
    found: dict[str, list[dict[str, str]]] = {}
    for each in series:
        found.setdefault(each["metric"].get("pod", ""), []).append(each["metric"])
    return found


def _scrape_configs(targets: Sequence[Target], held: Held, directory: Path) -> list[dict[str, Any]]:
    return [
        {
            "job_name": f"target-{number}",  # the label says another
            "scheme": target.scheme,
            **_tls_config(target, held, directory / f"ca-{number}.pem"),
            "static_configs": [
                {
                    "targets": [target.address],
                    "labels": {**target.labels, "__metrics_path__": target.path},
                }
            ],
            "relabel_configs": [
                {_SNAKE.sub(r"_\1", name).lower(): value for name, value in each.items()}
                for each in target.relabelings
            ],
        }
        for number, target in enumerate(targets)
    ]


def _tls_config(target: Target, held: Held, authority: Path) -> dict[str, Any]:
    if not target.tls:
        return {}
    ca = target.tls["ca"]["secret"]
    authority.write_text(held("secret", ca["name"])[ca["key"]])
    name = target.tls["serverName"]
    return {"tls_config": {"ca_file": str(authority), "server_name": name}}
