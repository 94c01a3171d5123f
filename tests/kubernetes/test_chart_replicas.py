"""How many pods a Deployment names, with an autoscaler and without."""

from pathlib import Path

import pytest
import yaml

from tests.harness.prometheus import promtool
from tests.kubernetes import api_server, chart, tools
from tests.kubernetes.tools import Object

_SCALERS = {
    "keda": ("keda.enabled=true", "keda.serverAddress=http://prometheus:80"),
    "autoscaling": ("autoscaling.enabled=true",),
}


def _live(**replicas: int) -> list[Object]:
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "namespace": tools.NAMESPACE,
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {
                    "meta.helm.sh/release-name": tools.RELEASE,
                    "meta.helm.sh/release-namespace": tools.NAMESPACE,
                },
            },
            "spec": {"replicas": number},
        }
        for name, number in replicas.items()
    ]


def _replicas(*sets: str, live: list[Object] | None) -> dict[str, int | None]:
    """The number that each Deployment names; without `live`, no cluster is asked."""
    values = chart.values("minimal")
    offline = tools.render_chart(values, sets=sets)
    if live is None:
        rendered = offline
    else:
        with api_server.serve(offline, live) as address:
            asked = "--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address
            rendered = tools.render_chart(values, sets=sets, arguments=asked)
    return {
        name.removeprefix(f"{tools.RELEASE}-"): each["spec"].get("replicas")
        for name, each in chart.of_kind(rendered, "Deployment").items()
    }


def _sets(component: str, scaler: str) -> list[str]:
    return [f"{component}.{each}" for each in _SCALERS[scaler]]


@pytest.mark.parametrize(
    ("component", "scaler"),
    [("metadata", "autoscaling"), ("artifacts", "autoscaling"), ("artifacts", "keda")],
)
def test_autoscaling_switched_on_in_a_running_release_keeps_its_pods(
    component: str, scaler: str
) -> None:
    """A number that vanished from the manifest would be taken for 1."""
    live = _live(**{"tandem-metadata": 4, "tandem-artifacts": 5, "other-artifacts": 9})
    found = _replicas(*_sets(component, scaler), live=live)
    kept = {"metadata": 4, "artifacts": 5}
    fixed = {"metadata": 2, "artifacts": 2}
    assert found == fixed | {component: kept[component]}


def test_autoscaling_switched_on_in_a_release_of_one_pod_brings_the_fewest() -> None:
    live = _live(**{"tandem-metadata": 1, "tandem-artifacts": 1})
    sets = *_sets("metadata", "autoscaling"), "metadata.autoscaling.minReplicas=3"
    assert _replicas(*sets, live=live) == {"metadata": 3, "artifacts": 2}


def test_autoscaled_release_that_is_new_begins_with_the_fewest() -> None:
    sets = *_sets("artifacts", "keda"), "artifacts.keda.minReplicas=3"
    assert _replicas(*sets, live=[]) == {"metadata": 2, "artifacts": 3}


def test_autoscaled_manifest_rendered_without_a_cluster_names_no_number() -> None:
    """Argo CD would set it again at each sync."""
    assert _replicas(*_sets("artifacts", "keda"), live=None) == {"metadata": 2, "artifacts": None}


def test_keda_counts_no_pod_that_is_draining(tmp_path: Path) -> None:
    """Pods that go carry transfers for up to an hour, and take no new ones."""
    scaled = chart.one(chart.render("keda"), "ScaledObject", "tandem-artifacts")
    queries = [
        each["metadata"]["query"]
        for each in scaled["spec"]["triggers"]
        if each["type"] == "prometheus"
    ]
    pods = {"new": 0, "old": 1}
    series = []
    for pod, draining in pods.items():
        labels = f'namespace="tandem",pod="tandem-artifacts-{pod}"'
        series += [
            {"series": f"tandem_draining{{{labels}}}", "values": f"{draining}x10"},
            {
                "series": f'tandem_artifact_transfers_in_flight{{{labels},direction="in"}}',
                "values": "6x10",
            },
            {
                "series": f'tandem_artifact_bytes_total{{{labels},direction="out"}}',
                "values": "0+6000x10",
            },
        ]
    wanted = {"transfers": 6, "bytes": 100}
    expected = [
        {"expr": query, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": value}]}
        for query, value in zip(queries, wanted.values(), strict=True)
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": expected}
    file = tmp_path / "keda.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", file)
