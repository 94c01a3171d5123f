"""Scrape configurations of a Prometheus, as its operator would write them for rendered monitors.

In place of what the API server tells Prometheus about pods and Services stand the rendered objects;
in place of the pod's address stands that of a process that runs here.
"""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.tools import NAMESPACE, Object

_META = "__meta_kubernetes_"
_FIELDS = {
    "sourceLabels": "source_labels",
    "targetLabel": "target_label",
    "regex": "regex",
    "replacement": "replacement",
    "action": "action",
    "separator": "separator",
    "modulus": "modulus",
}


@dataclass(frozen=True)
class Pod:
    """A pod of a rendered Deployment, which answers at an address of this machine."""

    deployment: Object
    address: str
    suffix: str = "6d4cf56db6-x7kzq"

    @property
    def name(self) -> str:
        """As a ReplicaSet names its pods."""
        return f"{self.deployment['metadata']['name']}-{self.suffix}"

    @property
    def template(self) -> Object:
        """What the pod is made of."""
        template: Object = self.deployment["spec"]["template"]
        return template

    def target(self) -> Object:
        """A static configuration with the labels that discovery would give."""
        (container,) = self.template["spec"]["containers"]
        (port,) = container["ports"]
        metadata = self.template["metadata"]
        labels = {
            f"{_META}namespace": NAMESPACE,
            f"{_META}pod_name": self.name,
            f"{_META}pod_phase": "Running",
            f"{_META}pod_ip": self.address.rpartition(":")[0],
            f"{_META}pod_controller_name": self.name.rpartition("-")[0],
            f"{_META}pod_container_name": container["name"],
            f"{_META}pod_container_port_name": port["name"],
            **_named("pod_label", metadata["labels"]),
            **_named("pod_annotation", metadata.get("annotations", {})),
        }
        return {"targets": [self.address], "labels": labels}


def scrape_of(monitor: Object, pods: Sequence[Pod], services: Iterable[Object] = ()) -> Object:
    """The job of a PodMonitor, or of a ServiceMonitor over these Services."""
    by_service = monitor["kind"] == "ServiceMonitor"
    (endpoint,) = monitor["spec"]["endpoints" if by_service else "podMetricsEndpoints"]
    targets = [pod.target() for pod in pods]
    port = f"{_META}pod_container_port_name"
    if by_service:
        port = f"{_META}endpoint_port_name"
        targets = [_through(service, target) for service in services for target in targets]
    object_labels = f"{_META}{'service' if by_service else 'pod'}_label_"
    relabelings = [
        *(
            _keep(object_labels + _label(name), value)
            for name, value in monitor["spec"]["selector"]["matchLabels"].items()
        ),
        _keep(port, endpoint["port"]),
        _copy(f"{_META}namespace", "namespace"),
        _copy(f"{_META}pod_name", "pod"),
        _copy(f"{_META}pod_container_name", "container"),
    ]
    name = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    if by_service:
        relabelings += [_copy(f"{_META}service_name", each) for each in ("service", "job")]
    else:
        relabelings.append({"target_label": "job", "replacement": name})
    relabelings.append({"target_label": "endpoint", "replacement": endpoint["port"]})
    return {
        "job_name": f"{monitor['kind']}/{name}",
        "metrics_path": endpoint["path"],
        "static_configs": targets,
        "relabel_configs": relabelings + [_snake(each) for each in endpoint["relabelings"]],
    }


def scrape_by_annotations(example: Object, pods: Sequence[Pod]) -> Object:
    """The job of the example for a Prometheus without operator, with these pods as discovered.

    The annotation's port gives way to that of the process: here several share an address.
    """
    (job,) = copy.deepcopy(example["scrape_configs"])
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["static_configs"] = []
    for pod in pods:
        target = pod.target()
        assert f"{_META}pod_annotation_prometheus_io_port" in target["labels"]
        port = pod.address.rpartition(":")[2]
        target["labels"][f"{_META}pod_annotation_prometheus_io_port"] = port
        job["static_configs"].append({**target, "targets": ["127.0.0.1:1"]})
    return job


def _through(service: Object, target: Object) -> Object:
    """A pod's target as an endpoint of a Service; of those whose selector it does not match too,
    but without the port's name, so that it is not kept."""
    labels = dict(target["labels"])
    (port,) = service["spec"]["ports"]
    selector = _named("pod_label", service["spec"]["selector"])
    if selector.items() <= labels.items():
        assert port["targetPort"] == labels[f"{_META}pod_container_port_name"]
        labels[f"{_META}endpoint_port_name"] = port["name"]
    labels[f"{_META}service_name"] = service["metadata"]["name"]
    labels |= _named("service_label", service["metadata"]["labels"])
    return {**target, "labels": labels}


def _named(kind: str, values: dict[str, str]) -> dict[str, str]:
    return {f"{_META}{kind}_{_label(name)}": value for name, value in values.items()}


def _label(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _keep(label: str, value: str) -> Object:
    return {"action": "keep", "source_labels": [label], "regex": re.escape(value)}


def _copy(label: str, target: str) -> Object:
    return {"source_labels": [label], "target_label": target}


def _snake(relabeling: Object) -> dict[str, Any]:
    return {_FIELDS[name]: value for name, value in relabeling.items()}
