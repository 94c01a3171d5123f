"""Production values installed: what clients, probes and Prometheus find."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.cluster import prometheus
from tests.cluster.cluster import Cluster
from tests.cluster.installation import (
    ARTIFACTS,
    IMAGE,
    LAYOUTS,
    METADATA,
    MIGRATE,
    SECONDS,
    TEST,
    Installation,
    database,
    render,
)
from tests.cluster.kubelet import Pod
from tests.harness.processes import environment, eventually
from tests.kubernetes import tools
from tests.kubernetes.tools import NAMESPACE
from tests.postgresql import PostgreSQL


def test_pods_wait_for_a_late_migration(postgresql: PostgreSQL, tmp_path: Path) -> None:
    with (
        database(postgresql) as secrets,
        Cluster(render(), tmp_path, IMAGE, secrets).running() as cluster,
    ):
        pods = cluster.start_deployment(METADATA)
        assert len(pods) == 2
        cluster.wait_started(pods)
        eventually(lambda: all(pod.answers["readiness"].failed for pod in pods))
        for pod in pods:
            assert "db upgrade" in pod.answers["readiness"].last
            answer = _ask(pod, "/api/2.0/mlflow/experiments/get?experiment_id=0")
            assert answer.status_code == 503
            assert "db upgrade" in answer.json()["message"]
            assert "tandem_db_migration_pending 1.0" in _ask(pod, "/metrics").text
        assert cluster.endpoints(METADATA, 5000) == []
        jobs = [cluster.start_job(MIGRATE) for _ in range(2)]  # two at once do no harm
        for job in jobs:
            cluster.finish(job, seconds=60)
        cluster.wait_ready(pods)
        for pod in pods:
            assert "tandem_db_migration_pending 0.0" in _ask(pod, "/metrics").text


def _ask(pod: Pod, path: str) -> requests.Response:
    headers = {"Host": "mlflow.example.com"}
    return requests.get(f"http://{pod.address}:5000{path}", headers=headers, timeout=10)


@pytest.mark.parametrize("way", ["ingress", "httproute"])
def test_a_stock_client_works(installation: Installation, way: str, tmp_path: Path) -> None:
    name = f"{installation.layout}-{way}"
    found = installation.start_stock_client(way, name, tmp_path).result(SECONDS)
    assert found["artifact_uri"].startswith(
        f"mlflow-artifacts://{urlsplit(installation.artifacts_url).hostname}/"
    )
    assert found["found"] == [found["run_id"]]
    assert found["history"] == [1 / (1 + step) for step in range(5)]
    assert found["listed"] == [
        ["files/b.bin", False, 256 * 4096],
        ["files/deep", True, None],
    ]
    assert found["same"]
    assert found["predicted"] == [0, 1]
    assert found["aliases"] == {"champion": "1"}
    assert found["shown"] == {"listed": ["files"], "fetched": "snow", "page": "text/html"}


def test_helms_own_test_goes_the_way_of_a_client_and_cleans_up(installation: Installation) -> None:
    cluster = installation.cluster
    before = _experiments_of_tests(installation)
    pod = cluster.start_single(TEST)
    cluster.finish(pod, seconds=60)
    said = pod.tail().splitlines()
    assert re.fullmatch(r"metadata \S+ answers at http://\S+", said[0])
    assert said[2:] == [
        "files go to the artifacts service",
        "the run has its metric",
        "the file is what was written",
        "metadata lists the file by way of artifacts",
        "the file is removed",
        "the experiment and its run are deleted",
    ]
    after = _experiments_of_tests(installation)
    (made,) = after.keys() - before.keys()
    assert after[made] == "deleted"
    asked = {"experiment_ids": [made], "run_view_type": "ACTIVE_ONLY"}
    assert not _post(installation, "runs/search", asked).get("runs")


def _experiments_of_tests(installation: Installation) -> dict[str, str]:
    """Those of helm test by id, with their lifecycle stages."""
    asked = {"max_results": 1000, "view_type": "ALL", "filter": "name LIKE 'helm-test-%'"}
    found = _post(installation, "experiments/search", asked).get("experiments", [])
    return {each["experiment_id"]: each["lifecycle_stage"] for each in found}


def _post(installation: Installation, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    url = f"http://{installation.cluster.names[METADATA]}:5000{installation.prefix}"
    answer = requests.post(f"{url}/api/2.0/mlflow/{path}", json=asked, timeout=30)
    assert answer.ok, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_helms_own_test_fails_where_artifacts_are_elsewhere(
    installation: Installation, tmp_path: Path
) -> None:
    """A metadata service whose artifacts are not those that it is told of."""
    cluster = installation.cluster
    url = f"http://{cluster.names[METADATA]}:5000{installation.prefix}"
    variables = {
        "METADATA_URL": url,
        "ARTIFACTS_URL": url,
        "WAIT_SECONDS": "1",
    }
    script = tools.CHART / "files" / "client.py"
    ended = subprocess.run(
        [sys.executable, "-B", script], env=environment(**variables), capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert re.match(r"failed: PUT http://\S+/helm-test\.bin: \d{3} ", ended.stderr), ended.stderr


@pytest.mark.parametrize(
    ("service", "path"),
    [
        (METADATA, "/api/2.0/mlflow/experiments/get?experiment_id=0"),
        (ARTIFACTS, "/api/2.0/mlflow-artifacts/artifacts"),
    ],
)
def test_a_service_answers_to_every_form_of_its_name(
    installation: Installation, service: str, path: str
) -> None:
    cluster = installation.cluster
    (port,) = cluster.manifests.services[service].ports
    for name in cluster.names_of(service):
        address = f"http://{cluster.names[name]}:{port}{installation.prefix}"
        answer = requests.get(f"{address}{path}", timeout=30)
        assert answer.status_code == 200, f"{name}: {answer.text}"


def test_every_probe_is_answered(installation: Installation) -> None:
    for name in (METADATA, ARTIFACTS):
        for pod in installation.cluster.pods_of(name):
            assert pod.answers.keys() == {"startup", "readiness", "liveness"}
            eventually(
                lambda pod=pod: all(each.passed for each in pod.answers.values()), seconds=15
            )
            assert pod.answers["liveness"].failed == 0
    assert installation.cluster.faults() == []


@pytest.mark.parametrize("source", ["annotations", "serviceMonitor", "podMonitor"])
def test_every_port_is_scraped(installation: Installation, source: str, tmp_path: Path) -> None:
    pods = [pod for name in (METADATA, ARTIFACTS) for pod in installation.cluster.pods_of(name)]
    if source == "annotations":
        targets = prometheus.annotated(NAMESPACE, pods)
    else:
        rendered = render(f"monitoring.{source}.enabled=true", *LAYOUTS[installation.layout])
        targets = prometheus.monitored(rendered, pods)
    assert len(targets) == len(pods)
    rules = installation.cluster.manifests.rules
    assert rules
    with prometheus.serve(tmp_path / "prometheus", targets, rules) as running:
        names = {pod.name for pod in pods}
        assert prometheus.by_pod(running.query("up == 1")).keys() == names
        built = prometheus.by_pod(running.query('tandem_build_info{version!=""}'))
        for pod, (build,) in built.items():
            assert pod.startswith(build["service"])  # the metric's own label
            assert build["namespace"] == NAMESPACE
            names.remove(pod)
        assert not names
        eventually(lambda: all(rule["health"] == "ok" for rule in running.rules()))
        # Before the first scrape, alerts on what is absent are pending.
        eventually(lambda: all(_is_quiet(rule) for rule in running.rules()))


def _is_quiet(rule: dict[str, Any]) -> bool:
    """Whether it is no alert, or one with nothing to tell."""
    return rule["type"] != "alerting" or rule["state"] == "inactive"
