"""NOTES.txt tells what was deployed, what to do next and what is not as it should be."""

import re
from pathlib import Path

import pytest

from tests.kubernetes import chart, tools
from tests.kubernetes.tools import CHART, NAMESPACE, RELEASE


def notes(name: str, *sets: str) -> str:
    command: list[str | Path] = ["install", RELEASE, CHART, "--namespace", NAMESPACE]
    for each in sets:
        command += ["--set", each]
    said = tools.helm(*command, "--dry-run=client", "--values", chart.values(name))
    return said.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize("name", chart.MATRIX)
def test_they_name_objects_that_are_there(name: str) -> None:
    said = notes(name)
    objects = chart.render(name)
    named = set(re.findall(r"\b(deployment|service)/([a-z-]+)", said))
    there = {
        (kind.lower(), each)
        for kind in ("Deployment", "Service")
        for each in chart.of_kind(objects, kind)
    }
    assert named <= there
    assert len([each for each in named if each[0] == "deployment"]) == 2
    assert ("authenticates nobody" in said) != ("TANDEM_AUTH" in str(objects))
    assert "<no value>" not in said
    assert "%!" not in said
    assert "\n\n\n" not in said


def test_a_routed_release_is_told_its_tracking_uri() -> None:
    said = notes("two-hosts-ingress")
    assert "export MLFLOW_TRACKING_URI=https://mlflow.example.com\n" in said
    assert (
        "mlflow.example.com and artifacts.example.com must lead to your ingress controller" in said
    )
    assert "port-forward" not in said
    assert "at both hosts alike" in said
    assert "must lead to your gateway" in notes("httproute-two-hosts")
    assert "at both hosts alike" not in notes("single-host-ingress")


def test_one_that_is_not_routed_is_told_to_forward_ports() -> None:
    said = notes("sqlite-disk", "metadata.service.port=80")
    assert "port-forward service/tandem-metadata 5000:80 " in said
    assert "must lead to service tandem-artifacts" in said


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        (
            "sqlite-disk",
            ["SQLite is one file", "Artifacts are on one volume", "networkPolicy.enabled"],
        ),
        ("generated-secrets", ["database.uri", "objectStore.credentials", "networkPolicy.enabled"]),
        ("single-host-ingress", ["networkPolicy.enabled", "readTimeout"]),
        ("production", []),
    ],
)
def test_what_is_not_as_it_should_be(name: str, warned: list[str]) -> None:
    lines = [line for line in notes(name).splitlines() if line.startswith("!")]
    assert len(lines) == len(warned)
    for line, part in zip(lines, warned, strict=True):
        assert part in line


def test_a_store_of_the_cluster_s_own_is_warned_of() -> None:
    said = notes("minio", "objectStore.reachedByClients=true")
    assert "set objectStore.reachedByClients to false" in said
    assert "reachedByClients" not in notes("minio")
    assert "reachedByClients" not in notes("production")
    one = "objectStore.env[0]"
    own = f"{one}.name=MLFLOW_S3_ENDPOINT_URL", f"{one}.value=http://s3:1"
    assert "reachedByClients" in notes("minimal", *own)


def test_an_identity_of_azure_without_its_label_is_warned_of() -> None:
    label = r"artifacts.podLabels.azure\.workload\.identity/use=no"
    assert "which pods get by a label" in notes("azure", label)
    assert "which pods get by a label" not in notes("azure")


def test_services_that_others_reach_past_the_ingress_are_warned_of() -> None:
    balanced, told = "metadata.service.type=LoadBalancer", "insecureNoAuth=true"
    assert "metadata.service.type is LoadBalancer" in notes("production", told, balanced)
    ranges = "metadata.service.loadBalancerSourceRanges[0]=203.0.113.0/24"
    assert "is LoadBalancer" not in notes("production", told, balanced, ranges)
    assert "artifacts.service.type is NodePort" in notes(
        "production", told, "artifacts.service.type=NodePort"
    )


def test_plain_http_is_warned_of() -> None:
    assert "travel in the clear" in notes(
        "sqlite-disk", "ingress.enabled=true", "insecureNoAuth=true"
    )


def test_how_pods_come_and_migrate() -> None:
    assert "2 to 20 pods (KEDA)" in notes("keda")
    assert "3 to 12 pods (HPA)" in notes("production")
    assert "as a hook before" in notes("minimal")
    assert "Job tandem-migrate-" in notes("gitops")
    assert "run tandem-metadata db upgrade yourself" in notes("minimal", "migration.enabled=false")
