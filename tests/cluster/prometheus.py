"""A real Prometheus that scrapes what the manifests tell a Prometheus to scrape."""

import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests import debian
from tests.cluster.kubelet import Pod
from tests.cluster.manifests import Manifests, Monitor, Object
from tests.system import services

_PERIOD = "1s"
_SNAKE = re.compile("([A-Z])")
_START_SECONDS = 60


@dataclass(frozen=True)
class Target:
    """One port of one pod, with the labels that are put on what is scraped there."""

    address: str
    path: str
    labels: Mapping[str, str]
    relabelings: tuple[Object, ...] = ()


def annotated(namespace: str, pods: Iterable[Pod]) -> list[Target]:
    """The targets that the usual configuration for `prometheus.io/…` annotations finds."""
    return [
        Target(
            f"{pod.address}:{pod.template.annotations['prometheus.io/port']}",
            pod.template.annotations.get("prometheus.io/path", "/metrics"),
            {"job": "kubernetes-pods", "namespace": namespace, "pod": pod.name},
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
            yield Target(f"{pod.address}:{number}", monitor.path, labels, monitor.relabelings)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> dict[str, list[dict[str, str]]]:
        """The labels of a query's series now, by pod."""
        found: dict[str, list[dict[str, str]]] = {}
        for each in self._get("query", query=expression)["result"]:
            found.setdefault(each["metric"].get("pod", ""), []).append(each["metric"])
        return found

    def rules(self) -> list[dict[str, Any]]:
        """All rules as Prometheus sees them, with their health and state."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", parameters, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]


@contextmanager
def serve(
    directory: Path, targets: Sequence[Target], rules: Iterable[Object] = ()
) -> Iterator[Prometheus]:
    """Prometheus with these targets, and the rules of PrometheusRules; it has scraped them once.

    Scrapes and evaluations are a second apart, whatever intervals are asked for.
    """
    binary = debian.find("prometheus", package="prometheus")
    directory.mkdir()
    groups = [{**group, "interval": _PERIOD} for each in rules for group in each.get("groups", ())]
    (directory / "rules.yaml").write_text(json.dumps({"groups": groups}))
    (directory / "prometheus.yaml").write_text(json.dumps(_configuration(targets)))
    port = services.free_port()
    command = [
        binary,
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=1h",
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    try:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + _START_SECONDS
        while not _has_scraped(prometheus, len(targets)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Prometheus did not scrape:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)
        yield prometheus
    finally:
        process.kill()
        process.wait()


def _has_scraped(prometheus: Prometheus, targets: int) -> bool:
    try:
        return sum(map(len, prometheus.query("up").values())) == targets
    except requests.RequestException:
        return False


def _configuration(targets: Sequence[Target]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": _PERIOD, "scrape_timeout": _PERIOD},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": f"target-{number}",  # the label says another
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
        ],
    }
