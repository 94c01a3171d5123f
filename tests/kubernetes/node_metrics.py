"""What cAdvisor and kube-state-metrics tell of pods, which here are processes.

Names and labels are theirs, as a Prometheus has them by the usual configuration; limits and
requests are those of the manifests, memory and CPU time those of the processes.
Sources: https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md and
https://github.com/kubernetes/kube-state-metrics/blob/main/docs/metrics/workload/pod-metrics.md.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.kubernetes.tools import Object

METRICS = {
    "container_memory_working_set_bytes": {"namespace", "pod", "container"},
    "container_cpu_usage_seconds_total": {"namespace", "pod", "container"},
    "kube_pod_container_resource_limits": {"namespace", "pod", "container", "resource", "unit"},
    "kube_pod_container_resource_requests": {"namespace", "pod", "container", "resource", "unit"},
}
"""By name, with their labels."""

_UNITS = {"cpu": "core", "memory": "byte", "ephemeral-storage": "byte"}
_FACTORS = {"m": 1e-3, "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Container:
    """A container of a pod, and the process that stands for it."""

    namespace: str
    pod: str
    spec: Object
    """With its `name` and `resources`."""
    pid: int


@contextlib.contextmanager
def serving(containers: Sequence[Container]) -> Iterator[str]:
    """Where they are told of, as `host:port`; at /metrics."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(_lines(containers)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not to stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def scrape_config(address: str) -> Object:
    """The job by which a Prometheus takes them as they are."""
    return {
        "job_name": "node-and-state",
        "honor_labels": True,
        "static_configs": [{"targets": [address]}],
    }


def _lines(containers: Sequence[Container]) -> Iterator[str]:
    for each in containers:
        labels = f'namespace="{each.namespace}",pod="{each.pod}",container="{each.spec["name"]}"'
        pids = list(_family(each.pid))
        yield _line("container_memory_working_set_bytes", labels, sum(map(_memory, pids)))
        yield _line("container_cpu_usage_seconds_total", labels, sum(map(_cpu_seconds, pids)))
        for kind, amounts in each.spec["resources"].items():
            for resource, quantity in amounts.items():
                name = resource.replace("-", "_")
                more = f'{labels},resource="{name}",unit="{_UNITS[resource]}"'
                yield _line(f"kube_pod_container_resource_{kind}", more, _number(quantity))


def _line(name: str, labels: str, value: float) -> str:
    return f"{name}{{{labels}}} {value}\n"


def _number(quantity: str | int) -> float:
    """A quantity of Kubernetes as a number."""
    match = re.fullmatch(r"([\d.]+)(\w*)", str(quantity))
    assert match is not None
    return float(match[1]) * _FACTORS[match[2]]


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


def _memory(pid: int) -> int:
    with contextlib.suppress(OSError):
        found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
        return int(found[1]) * 1024 if found else 0
    return 0


def _cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0
