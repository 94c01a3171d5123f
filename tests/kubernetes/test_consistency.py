"""Each thing that must hold of rendered objects is missed when it does not."""

import copy
from typing import Any

import pytest

from tests.kubernetes import consistency
from tests.kubernetes.overlays import rendered
from tests.kubernetes.tools import Object

POD = "spec.template.spec"
SERVER = f"{POD}.containers.0"
METADATA, ARTIFACTS = "Deployment/tandem-metadata", "Deployment/tandem-artifacts"


def objects() -> list[Object]:
    return copy.deepcopy(rendered("overlays/two-hosts"))


def test_nothing_is_wrong() -> None:
    assert consistency.problems(objects()) == []


def broken(name: str, path: str, value: Any) -> list[str]:
    """The problems when one field of one object is another; None takes the field away."""
    whole = objects()
    part: Any = next(each for each in whole if consistency.name_of(each) == name)
    *parents, last = path.split(".")
    for key in parents:
        part = part[int(key)] if isinstance(part, list) else part[key.replace("|", ".")]
    key = int(last) if isinstance(part, list) else last.replace("|", ".")
    if value is None:
        del part[key]
    else:
        part[key] = value
    return consistency.problems(whole)


LABEL = "app|kubernetes|io"


@pytest.mark.parametrize(
    ("name", "path", "value", "sentence"),
    [
        ("Service/tandem-metadata", "metadata.name", "tandem-artifacts", "there 2 times"),
        ("Service/tandem-metadata", "metadata.namespace", "other", "namespace other"),
        ("Service/tandem-metadata", "metadata.name", "tandem", "not named as its component"),
        (METADATA, f"metadata.labels.{LABEL}/part-of", None, "lacks the labels"),
        (METADATA, f"metadata.labels.{LABEL}/version", "9", "label version has several values"),
        (METADATA, f"{POD.removesuffix('.spec')}.metadata.labels.{LABEL}/version", None, "pods of"),
        (METADATA, f"{POD}.automountServiceAccountToken", None, "mounts a token"),
        (METADATA, f"{POD}.enableServiceLinks", True, "Services as variables"),
        (METADATA, f"{POD}.serviceAccountName", "tandem-artifacts", "several workloads use"),
        (METADATA, f"{POD}.serviceAccountName", "default", "no pod uses ServiceAccount"),
        (METADATA, f"{SERVER}.image", "ghcr.io/tandem-mlflow/tandem-metadata:latest", "tomorrow"),
        (METADATA, f"{SERVER}.image", "ghcr.io/tandem-mlflow/tandem-metadata", "tomorrow"),
        (METADATA, f"{SERVER}.resources.requests.memory", None, "requests lack ['memory']"),
        (METADATA, f"{SERVER}.resources.limits", None, "limits lack"),
        (METADATA, f"{SERVER}.resources.limits.ephemeral-storage", None, "['ephemeral-storage']"),
        (METADATA, f"{SERVER}.securityContext.readOnlyRootFilesystem", None, "not read-only"),
        (METADATA, f"{SERVER}.volumeMounts.0.mountPath", "/tmpdir", "TMPDIR is not an emptyDir"),
        (METADATA, f"{SERVER}.env", [], "does not know the database"),
        (METADATA, f"{SERVER}.env.1.name", "AWS_ACCESS_KEY_ID", "the object store's AWS_ACCESS"),
        (ARTIFACTS, f"{SERVER}.env.0.name", "MLFLOW_BACKEND_STORE_URI", "artifacts knows the data"),
        (METADATA, f"{SERVER}.ports.0.containerPort", 80, "its ports are"),
        (METADATA, f"{SERVER}.args.4", "5001", "it listens on 5001"),
        (METADATA, f"{SERVER}.startupProbe", None, "its startup probe asks None"),
        (METADATA, f"{SERVER}.livenessProbe.httpGet.path", "/ready", "its liveness probe"),
        (METADATA, f"{SERVER}.readinessProbe.httpGet.port", 5000, "its readiness probe"),
        (METADATA, f"{SERVER}.lifecycle", None, "there is no preStop"),
        (ARTIFACTS, f"{POD}.terminationGracePeriodSeconds", 30, "its grace period is 30"),
        (ARTIFACTS, f"{SERVER}.args.16", "7200", "its grace period is 3600"),
        (METADATA, f"{SERVER}.args.7", "--migrate", "its pods migrate"),
        (
            METADATA,
            f"{POD}.volumes.0",
            {"name": "tmp", "persistentVolumeClaim": {"claimName": "a"}},
            "several pods may share its volume",
        ),
        ("Service/tandem-artifacts", f"spec.selector.{LABEL}/component", None, "selects the pods"),
        ("Service/tandem-artifacts", f"spec.selector.{LABEL}/name", "other", "the pods of []"),
        ("Service/tandem-artifacts", "spec.ports.0.targetPort", "web", "leads to the port web"),
        (
            "PodDisruptionBudget/tandem-metadata",
            f"spec.selector.matchLabels.{LABEL}/component",
            "artifacts",
            "PodDisruptionBudget/tandem-metadata selects the pods of ['Deployment/tandem-artif",
        ),
        (
            "NetworkPolicy/tandem-migrate",
            f"spec.podSelector.matchLabels.{LABEL}/component",
            "migrate",
            "NetworkPolicy/tandem-migrate selects the pods of []",
        ),
        (
            "HorizontalPodAutoscaler/tandem-artifacts",
            "spec.scaleTargetRef.name",
            "tandem-metadata",
            "scales tandem-metadata",
        ),
        (
            "HorizontalPodAutoscaler/tandem-artifacts",
            "spec.metrics.0.resource.name",
            "hugepages-2Mi",
            "measures hugepages-2Mi, which is not requested",
        ),
        (METADATA, "spec.replicas", 2, "has replicas, and an autoscaler too"),
        (
            "Ingress/tandem-artifacts",
            "spec.rules.0.http.paths.0.backend.service.name",
            "tandem-metadata",
            "leads to tandem-metadata:http",
        ),
        (
            "Ingress/tandem-artifacts",
            "spec.rules.0.http.paths.0.backend.service.port.name",
            "web",
            "leads to tandem-artifacts:web",
        ),
        (METADATA, f"{SERVER}.args.11", "mlflow-artifacts://b.example.com/", "the default root"),
        (METADATA, f"{SERVER}.args.13", "b.example.com", "metadata follows b.example.com"),
        (METADATA, f"{SERVER}.args.15", "http://b:5500", "which is no Service"),
        (ARTIFACTS, f"{SERVER}.args.8", "b.example.com,c", "the default root"),
        (ARTIFACTS, f"{SERVER}.args.12", "https://b.example.com", "allows the origin"),
        ("Ingress/tandem-artifacts", "spec.rules.0.host", "b.example.com", "is for"),
        ("Ingress/tandem-artifacts", "spec.tls.0.hosts.0", "b.example.com", "a certificate for"),
    ],
)
def test_what_is_wrong_is_told(name: str, path: str, value: Any, sentence: str) -> None:
    told = broken(name, path, value)
    assert any(sentence in each for each in told), told
