"""The rest of a cluster's control plane: Deployments, Jobs, Services with their endpoints."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.cluster.kubelet import Node, Pod
from tests.cluster.manifests import Deployment, Manifests
from tests.cluster.pod_templates import Template
from tests.cluster.routes import Service
from tests.cluster.service_proxy import ServiceProxy

READY_SECONDS = 90
"""How long pods may take to be ready; on two cores all of them start at once."""

Endpoint = tuple[str, int]


@dataclass(frozen=True)
class Image:
    """What every image here brings with it."""

    paths: Mapping[str, Path]
    environ: Mapping[str, str]


class Cluster:
    """Runs what the manifests say; use it within `running`."""

    def __init__(
        self,
        manifests: Manifests,
        directory: Path,
        image: Image,
        secrets: Mapping[str, Mapping[str, str]],
        identities: Mapping[str, Mapping[str, str]] | None = None,
        outside: Mapping[str, str] | None = None,
        configs: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`secrets` and `configs` are what the manifests expect to find; for `identities` see Node.

        `outside` has the addresses of hosts beyond the cluster, by their names.
        """
        self.manifests = manifests
        self.pods: list[Pod] = []
        self._addresses = _addresses()
        self._numbers = itertools.count(1)
        self._listeners: list[Callable[[], None]] = []
        self.names = {name: next(self._addresses) for name in self._service_names()}
        self._secrets = {**manifests.secrets, **secrets}
        self._node = Node(
            directory=directory,
            namespace=manifests.namespace,
            secrets=self._secrets,
            configs={**manifests.configs, **(configs or {})},
            identities=identities or {},
            names={**self.names, **(outside or {})},
            links=self._links(),
            image_paths=image.paths,
            image_environ=image.environ,
        )

    # Services.

    def names_of(self, service: str) -> list[str]:
        """The forms of a Service's name in this namespace's DNS, the Service's own first.

        Each has an address of its own in `names`, so that none can stand for another.
        """
        zone = f".{self.manifests.namespace}"
        return [service + end for end in ("", zone, f"{zone}.svc", f"{zone}.svc.cluster.local")]

    def endpoints(self, service: str, port: int) -> list[Endpoint]:
        """Addresses and ports of the ready pods behind a Service's port."""
        found = self.manifests.services[service]
        target = found.ports[port]
        return [
            (pod.address, pod.container.ports[target] if isinstance(target, str) else target)
            for pod in list(self.pods)
            if pod.ready and found.selector.items() <= pod.template.labels.items()
        ]

    def pods_of(self, deployment: str) -> list[Pod]:
        """The pods of a Deployment that are not being deleted."""
        template = self.manifests.deployments[deployment].template
        return [pod for pod in self.pods if pod.template is template and not pod.deleted]

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a function called whenever endpoints may have changed."""
        self._listeners.append(listener)

    # Secrets and ConfigMaps.

    def put_secret(self, name: str, data: Mapping[str, str]) -> None:
        """Make or change a Secret, also in the volumes of running pods."""
        self._secrets[name] = data
        for pod in self.pods:
            if not pod.ended.is_set():
                pod.renew(name)
        self._changed()

    def held(self, kind: str, name: str) -> Mapping[str, str]:
        """What a Secret (`secret`) or a ConfigMap (`config`) has; KeyError if there is none."""
        return (self._node.secrets if kind == "secret" else self._node.configs)[name]

    # Workloads.

    def start_deployment(self, name: str) -> list[Pod]:
        """Start a Deployment's pods, without waiting for them."""
        deployment = self.manifests.deployments[name]
        return [self._start_pod(name, deployment.template) for _ in range(deployment.replicas)]

    def start_job(self, name: str) -> Pod:
        """Start a Job's one pod. It has to end with status 0, see `finish`."""
        return self._start_pod(name, self.manifests.jobs[name].template, once=True)

    def start_single(self, name: str) -> Pod:
        """Start a Pod of no workload. It has to end with status 0, see `finish`."""
        return self._start_pod(name, self.manifests.pods[name], once=True)

    def finish(self, job: Pod, seconds: float) -> None:
        """Wait for a pod that runs once to end with status 0."""
        assert job.ended.wait(seconds), f"{job.name} has not ended:\n{job.tail()}"
        assert job.status == 0, f"{job.name} ended with {job.status}:\n{job.tail()}"

    def roll(self, name: str, deleting: Callable[[Pod], None]) -> list[Pod]:
        """Replace a Deployment's pods one by one, as its rolling update does; gives the old ones.

        A new pod is ready before an old one is deleted; how long that takes to end holds nothing
        up. `deleting` is called with each old pod just before.
        """
        deployment = self.manifests.deployments[name]
        assert _one_more_at_a_time(deployment), f"{name} would roll in another way"
        old = self.pods_of(name)
        for pod in old:
            self.wait_ready([self._start_pod(name, deployment.template)])
            deleting(pod)
            pod.delete()
        return old

    def wait_ready(self, pods: list[Pod]) -> None:
        """Wait until pods are ready; fails with the log of one that is not."""
        self._wait(pods, lambda pod: pod.ready, "ready", READY_SECONDS)

    def wait_started(self, pods: list[Pod]) -> None:
        """Wait until the startup probes of pods have passed."""
        self._wait(pods, lambda pod: pod.started, "started", READY_SECONDS)

    def wait_ended(self, pods: list[Pod], seconds: float) -> None:
        """Wait until deleted pods have ended."""
        self._wait(pods, lambda pod: pod.ended.is_set(), "ended", seconds)

    def faults(self) -> list[str]:
        """What went wrong with any pod, as a kubelet would have seen it."""
        return [fault for pod in self.pods for fault in pod.faults]

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Have Services; at the end delete all pods as a cluster would, which must go well."""
        proxies = [
            ServiceProxy((self.names[name], port), self._chooser(service, port))
            for service in self.manifests.services.values()
            for name in self.names_of(service.name)
            for port in service.ports
        ]
        try:
            yield self
            left = [pod for pod in self.pods if not pod.deleted and not pod.ended.is_set()]
            for pod in left:
                pod.delete()
            self.wait_ended(left, seconds=120)
            assert not self.faults(), "\n".join(self.faults())
        finally:
            for pod in self.pods:
                if not pod.ended.is_set():
                    pod.deleted = True
                    pod.kill()
            for proxy in proxies:
                proxy.close()

    # Inside.

    def _start_pod(self, name: str, template: Template, *, once: bool = False) -> Pod:
        pod = Pod(
            f"{name}-{next(self._numbers)}",
            next(self._addresses),
            template,
            self._node,
            self._changed,
            once,
        )
        self.pods.append(pod)
        pod.start()
        return pod

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def _chooser(self, service: Service, port: int) -> Callable[[], Endpoint | None]:
        def choose() -> Endpoint | None:
            found = self.endpoints(service.name, port)
            return random.choice(found) if found else None

        return choose

    def _wait(
        self, pods: list[Pod], holds: Callable[[Pod], bool], what: str, seconds: float
    ) -> None:
        deadline = time.monotonic() + seconds
        for pod in pods:
            while not holds(pod):
                late = time.monotonic() > deadline
                assert not late, f"{pod.name} is not {what}: {pod.answers}\n{pod.tail()}"
                assert not pod.faults, f"{pod.faults}\n{pod.tail()}"
                time.sleep(0.05)

    def _service_names(self) -> list[str]:
        return [name for service in self.manifests.services for name in self.names_of(service)]

    def _links(self) -> dict[str, str]:
        links = {}
        for name, service in self.manifests.services.items():
            prefix = name.upper().replace("-", "_")
            address = self.names[name]
            first = next(iter(service.ports))
            links[f"{prefix}_SERVICE_HOST"] = address
            links[f"{prefix}_SERVICE_PORT"] = str(first)
            links[f"{prefix}_PORT"] = f"tcp://{address}:{first}"
            for port in service.ports:
                links[f"{prefix}_PORT_{port}_TCP"] = f"tcp://{address}:{port}"
                links[f"{prefix}_PORT_{port}_TCP_PROTO"] = "tcp"
                links[f"{prefix}_PORT_{port}_TCP_PORT"] = str(port)
                links[f"{prefix}_PORT_{port}_TCP_ADDR"] = address
        return links


def _one_more_at_a_time(deployment: Deployment) -> bool:
    """Whether a rolling update adds a pod before it takes one away, and no more than one."""
    surge, unavailable = deployment.surge, deployment.unavailable
    if isinstance(surge, str):  # a share is rounded up
        surge = -(-int(surge.rstrip("%")) * deployment.replicas // 100)
    if isinstance(unavailable, str):  # and this one down
        unavailable = int(unavailable.rstrip("%")) * deployment.replicas // 100
    return (surge, unavailable) == (1, 0)


def _addresses() -> Iterator[str]:
    """Loopback addresses that nothing else here uses: a network chosen at random."""
    network = f"127.{random.randrange(64, 192)}.{random.randrange(256)}"
    for last in range(1, 255):
        yield f"{network}.{last}"
