"""The dashboard over production values that run: every panel has something to show."""

import math
import uuid
from pathlib import Path

import pytest
import requests

from tests.cluster import prometheus
from tests.cluster.installation import ARTIFACTS, METADATA, TEST, Installation
from tests.harness.processes import eventually
from tests.harness.prometheus import Prometheus
from tests.kubernetes import dashboard, node_metrics
from tests.kubernetes.tools import NAMESPACE
from tests.receiver import Receiver, receiving

VARIABLES = {"namespace": NAMESPACE, "service": ".*", "pod": ".*", "__rate_interval": "1m"}
OF_EACH_POD = ("Memory by pod", "CPU by pod", "Memory of the limit", "CPU of the request")


@pytest.mark.parametrize("installation", ["two-hosts"], indirect=True)
def test_every_panel_has_data_and_one_series_a_pod(
    installation: Installation, tmp_path: Path
) -> None:
    pods = [pod for name in (METADATA, ARTIFACTS) for pod in installation.cluster.pods_of(name)]
    told = [
        node_metrics.Container(
            NAMESPACE,
            pod.name,
            {"name": pod.container.name, "resources": pod.container.resources},
            pod.pid,
        )
        for pod in pods
    ]
    targets = prometheus.annotated(NAMESPACE, pods)
    with receiving() as receiver, node_metrics.serving(told) as address:
        nodes = node_metrics.scrape_config(address)
        with prometheus.serve(tmp_path / "prometheus", targets, more=[nodes]) as server:
            _work(installation, receiver)
            # A rate needs an increase between two scrapes of a series.
            eventually(lambda: bool(server.query("tandem_webhook_deliveries_total")))
            _work(installation, receiver)
            eventually(lambda: not _empty(server), "every panel has data")
            for panel in dashboard.panels():
                if panel["title"] not in OF_EACH_POD:
                    continue
                (series,) = _series(server, panel)
                shown = [each["metric"]["pod"] for each in series]
                assert sorted(shown) == sorted(pod.name for pod in pods), panel["title"]
                assert all(float(each["value"][1]) >= 0 for each in series)


def _work(installation: Installation, receiver: Receiver) -> None:
    """What all panels tell of: helm's own test, and an event that a webhook is told of."""
    cluster = installation.cluster
    name = f"m-{uuid.uuid4().hex}"
    url = f"http://{cluster.names[METADATA]}:5000/api/2.0/mlflow"
    event = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
    asked = {"name": name, "url": receiver.answer(f"/{name}", 200), "events": [event]}
    made = requests.post(f"{url}/webhooks", json=asked, timeout=30)
    assert made.ok, made.text
    asked = {"name": name}
    assert requests.post(f"{url}/registered-models/create", json=asked, timeout=30).ok
    receiver.wait(f"/{name}")
    webhook = made.json()["webhook"]["webhook_id"]
    assert requests.delete(f"{url}/webhooks/{webhook}", timeout=30).ok
    cluster.finish(cluster.start_single(TEST), seconds=60)


def _empty(server: Prometheus) -> list[str]:
    """The titles of panels of which a query finds no number."""
    return [
        panel["title"]
        for panel in dashboard.panels()
        for series in _series(server, panel)
        if not any(math.isfinite(float(each["value"][1])) for each in series)
    ]


def _series(server: Prometheus, panel):  # type: ignore[no-untyped-def]
    """Of each query of a panel what it finds."""
    return [
        server.query(dashboard.filled(target["expr"], VARIABLES)) for target in panel["targets"]
    ]
