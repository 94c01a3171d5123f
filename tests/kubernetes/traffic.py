"""Requests of every kind that metrics, alerts and dashboard tell apart, to two real services."""

import contextlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.processes import Process, eventually
from tests.receiver import Receiver
from tests.system.services import Stack

VARIABLES = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "1",
}
"""What the services need for it."""

Exposition = dict[str, dict[str, set[str]]]
"""Of each sample's name the labels, and of each label the values."""

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts"
_SECONDS = 30
_LONGEST_FILE = 8 * 1024 * 1024
_DRIVER = "tandem_artifact_driver_duration_seconds_count"


def exposition(service: Process) -> Exposition:
    """What a service exports now."""
    text = requests.get(f"{service.url}/metrics", timeout=_SECONDS).text
    found: Exposition = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def send(stack: Stack, receiver: Receiver) -> None:
    """All of it once; returns when both services have counted it."""
    name = f"m{time.monotonic_ns()}"
    run, webhook = _metadata(stack, receiver, name)
    _artifacts(stack, run)
    _relays(stack, run, webhook)
    _probes(stack)
    _failures(stack)
    eventually(lambda: _has(stack.metadata, "tandem_webhook_deliveries_total", "given_up"))
    eventually(lambda: _has(stack.metadata, "tandem_webhook_deliveries_total", "delivered"))
    eventually(lambda: _has(stack.artifacts, "tandem_http_requests_total", "499"))
    eventually(lambda: _has(stack.artifacts, _DRIVER, "cancelled"))
    eventually(lambda: _has(stack.artifacts, _DRIVER, "failed"))


def _metadata(stack: Stack, receiver: Receiver, name: str) -> tuple[Any, str]:
    """A run with an experiment of its own, and webhooks that work and do not."""
    webhook = ""
    for path, status in (("/taken", 200), ("/refused", 500)):
        url = receiver.answer(f"{path}-{name}", status)
        event = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
        asked = {"name": f"{path[1:]}-{name}", "url": url, "events": [event]}
        made = _post(stack.metadata, f"{_API}/webhooks", asked)
        webhook = made["webhook"]["webhook_id"]
    experiment = _post(stack.metadata, f"{_API}/experiments/create", {"name": name})
    run = _post(
        stack.metadata,
        f"{_API}/runs/create",
        {"experiment_id": experiment["experiment_id"], "start_time": 1},
    )["run"]
    _spans(stack.metadata, experiment["experiment_id"])
    metric = {"run_id": run["info"]["run_id"], "key": "loss", "value": 1, "timestamp": 1}
    _post(stack.metadata, f"{_API}/runs/log-metric", metric)
    _post(stack.metadata, f"{_API}/registered-models/create", {"name": name})
    return run, webhook


def _spans(service: Process, experiment_id: str) -> None:
    """A span of a new trace."""
    span = {"traceId": os.urandom(16).hex(), "spanId": "01" * 8, "name": "step"}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    headers = {"x-mlflow-experiment-id": experiment_id}
    url = f"{service.url}/v1/traces"
    assert requests.post(url, json=body, headers=headers, timeout=_SECONDS).ok


def _artifacts(stack: Stack, run: Any) -> None:
    """Uploads, downloads, listings; one of a file that is not there, and a client that leaves."""
    below = run["info"]["artifact_uri"].partition(stack.artifacts_host)[2].strip("/")
    url = f"{stack.artifacts.url}{_ARTIFACTS}/artifacts/{below}/data.bin"
    assert requests.put(url, data=b"x" * 200_000, timeout=_SECONDS).ok
    assert len(requests.get(url, timeout=_SECONDS).content) == 200_000
    assert requests.get(url + ".not", timeout=_SECONDS).status_code == 404
    listing = f"{stack.artifacts.url}{_ARTIFACTS}/artifacts"
    assert requests.get(listing, params={"path": below}, timeout=_SECONDS).ok
    part = f"{stack.artifacts.url}{_ARTIFACTS}/mpu/complete/{below}/data.bin"
    requests.post(part, json={"path": "data.bin", "upload_id": "u", "parts": []}, timeout=_SECONDS)
    host, _, port = stack.artifacts_host.partition(":")
    with socket.create_connection((host, int(port)), timeout=_SECONDS) as leaving:
        path = f"{_ARTIFACTS}/artifacts/{below}/never.bin"
        head = f"PUT {path} HTTP/1.1\r\nHost: {stack.artifacts_host}\r\nContent-Length: 999\r\n\r\n"
        leaving.sendall(head.encode() + b"begun")
        time.sleep(0.3)


def _relays(stack: Stack, run: Any, webhook: str) -> None:
    """What the metadata service waits for others for."""
    asked = {"run_uuid": run["info"]["run_id"], "path": "data.bin"}
    assert requests.get(f"{stack.metadata.url}/get-artifact", asked, timeout=_SECONDS).ok
    model = f"{stack.metadata.url}/ajax-api/2.0/mlflow/logged-models/m-none/artifacts/files"
    requests.get(model, params={"artifact_file_path": "x"}, timeout=_SECONDS)
    requests.get(f"{stack.metadata.url}/model-versions/get-artifact", timeout=_SECONDS)
    _post(stack.metadata, f"{_API}/webhooks/{webhook}/test", {})


def _probes(stack: Stack) -> None:
    for service in (stack.metadata, stack.artifacts):
        for path in ("/health", "/ready", "/version", "/metrics"):
            assert requests.get(service.url + path, timeout=_SECONDS).ok
    there = f"{stack.artifacts.url}{_API}/runs/create"
    assert requests.post(there, json={}, timeout=_SECONDS).status_code == 503
    absent = f"{stack.metadata.url}/api/3.0/mlflow/jobs"
    assert requests.post(absent, json={}, timeout=_SECONDS).status_code == 501


def _failures(stack: Stack) -> None:
    """Uploads that the disk does not take: the service may write no file as long as they are."""
    url = f"{stack.artifacts.url}{_ARTIFACTS}/artifacts/too/long"
    with _limited(stack.artifacts):
        for _ in range(3):
            answer = requests.put(url, data=bytes(_LONGEST_FILE + 1), timeout=_SECONDS)
            assert answer.status_code == 503, answer.text


@contextlib.contextmanager
def _limited(service: Process) -> Iterator[None]:
    """No process of the service can write a file of more than `_LONGEST_FILE` bytes."""
    own = _family(service.pid)
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in own}
    try:
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (_LONGEST_FILE, hard))
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def _family(pid: int) -> Iterator[int]:
    """A process and what it started: its workers among them, which lead groups of their own."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _has(service: Process, metric: str, value: str) -> bool:
    labels = exposition(service).get(metric, {})
    return any(value in values for values in labels.values())


def _post(service: Process, path: str, body: Any) -> Any:
    answer = requests.post(service.url + path, json=body, timeout=_SECONDS)
    assert answer.ok, answer.text
    return answer.json()
