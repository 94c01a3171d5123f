"""The chart and kustomize say the same: objects are equal but for what is listed here."""

import copy
from collections.abc import Iterable
from typing import Any

import pytest

from tests.kubernetes import tools
from tests.kubernetes.consistency import SERVERS
from tests.kubernetes.overlays import Overlay, rendered
from tests.kubernetes.schemas import pod_of
from tests.kubernetes.tools import CHART, Object

LABELS = ("app.kubernetes.io/managed-by",)
"""Who manages an object: Helm or kustomize."""

ANNOTATIONS = (
    # The chart's Job, its account and its policy are hooks.
    "helm.sh/hook",
    "helm.sh/hook-weight",
    "helm.sh/hook-delete-policy",
    # Kustomize's Job is a plain one, which these tell to replace.
    "argocd.argoproj.io/sync-options",
    "kustomize.toolkit.fluxcd.io/force",
    # Tells kustomize's components of each other.
    "tandem/asks",
    # Helm keeps volumes when a release goes.
    "helm.sh/resource-policy",
)

INGRESS = ("insecureNoAuth=true", "ingress.enabled=true", "ingress.tls.enabled=true")
GATEWAY = (
    "insecureNoAuth=true",
    "httpRoute.enabled=true",
    "httpRoute.parentRefs[0].name=public",
    "httpRoute.parentRefs[0].namespace=gateways",
)
PREFIX = "staticPrefix=/mlflow"
ONE_HOST = "hosts.artifacts=mlflow.example.com"


def chart(values: str, *sets: str, over: Iterable[str] = ()) -> dict[str, Object]:
    """The chart's objects under `ci/` values, with others over them."""
    paths = [CHART / "ci" / f"{name}-values.yaml" for name in (values, *over)]
    # helm test is Helm's.
    return by_name(tools.render_chart(*paths, sets=sets, arguments=["--skip-tests"]))


def kustomize(name: str) -> dict[str, Object]:
    return by_name(rendered(f"overlays/{name}"))


def by_name(objects: list[Object]) -> dict[str, Object]:
    """Objects by kind and name, made plain."""
    return {f"{each['kind']}/{each['metadata']['name']}": plain(each) for each in objects}


def plain(obj: Object) -> Object:
    """The object without labels and annotations that differ, its unordered lists in order."""
    obj = copy.deepcopy(obj)
    if pod := pod_of(obj):
        spec = pod["spec"]
        spec.get("volumes", []).sort(key=lambda each: each["name"])
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            container.get("env", []).sort(key=lambda each: each["name"])
            container.get("volumeMounts", []).sort(key=lambda each: each["mountPath"])
    for part in filter(None, (obj, obj.get("spec", {}).get("jobTemplate"), pod_of(obj))):
        for kind, names in (("labels", LABELS), ("annotations", ANNOTATIONS)):
            found = part["metadata"].get(kind, {})
            for name in names:
                found.pop(name, None)
            if not found:
                part["metadata"].pop(kind, None)
    return obj


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two values differ, as `path: one, other`; order counts in lists."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            found
            for key in sorted(ours.keys() | theirs.keys())
            for found in differences(ours.get(key), theirs.get(key), f"{path}/{key}")
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            found
            for index, (one, other) in enumerate(zip(ours, theirs, strict=True))
            for found in differences(one, other, f"{path}/{_key(one, index)}")
        ]
    return [] if ours == theirs else [f"{path}: {ours!r}, {theirs!r}"]


def _key(entry: Any, index: int) -> Any:
    return entry.get("name", index) if isinstance(entry, dict) else index


def test_differences_are_found() -> None:
    one = {"a": [{"name": "b", "c": 1}], "d": ["e"], "f": 1}
    other = {"a": [{"name": "b", "c": 2}], "d": ["e", "g"], "h": 1}
    assert differences(one, one) == []
    assert differences(one, other) == [
        "/a/b/c: 1, 2",
        "/d: ['e'], ['e', 'g']",
        "/f: 1, None",
        "/h: None, 1",
    ]


def test_production() -> None:
    ours, theirs = chart("production"), kustomize("production")
    assert {"Deployment/tandem-metadata", "Deployment/tandem-artifacts"} <= ours.keys()
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Service"):
        assert {f"{kind}/tandem-metadata", f"{kind}/tandem-artifacts"} <= ours.keys()
    assert {"Job/tandem-migrate", "NetworkPolicy/tandem-migrate"} <= ours.keys()
    assert differences(ours, theirs) == []


@pytest.mark.parametrize(("name", "sets"), [("two-hosts", ()), ("single-host", (ONE_HOST,))])
def test_production_behind_an_ingress(name: str, sets: tuple[str, ...]) -> None:
    ours = chart("production", *INGRESS, *sets)
    assert {"Ingress/tandem-metadata", "Ingress/tandem-artifacts"} <= ours.keys()
    assert differences(ours, kustomize(name)) == []


def test_production_behind_a_gateway(overlay: Overlay) -> None:
    ours = chart("production", *GATEWAY)
    assert {"HTTPRoute/tandem-metadata", "HTTPRoute/tandem-artifacts"} <= ours.keys()
    assert differences(ours, by_name(overlay("gateway-two-hosts", "settings"))) == []


def test_one_host_behind_a_gateway(overlay: Overlay) -> None:
    ours = chart("production", *GATEWAY, ONE_HOST)
    theirs = by_name(overlay("gateway-single-host", on="single-host"))
    for name in ("metadata", "artifacts"):
        del theirs[f"Ingress/tandem-{name}"]
    assert differences(ours, theirs) == []


@pytest.mark.parametrize(("name", "sets"), [("two-hosts", ()), ("single-host", (ONE_HOST,))])
def test_below_a_path_behind_an_ingress(name: str, sets: tuple[str, ...], overlay: Overlay) -> None:
    ours = chart("production", *INGRESS, *sets, PREFIX)
    theirs = by_name(overlay(f"static-prefix-{name}", on=name))
    assert differences(ours, theirs) == []


def test_below_a_path_behind_a_gateway_with_monitoring(overlay: Overlay) -> None:
    ours = chart("production", *GATEWAY, PREFIX, "monitoring.podMonitor.enabled=true")
    theirs = by_name(
        overlay("gateway-two-hosts", "settings", "monitoring", "static-prefix-two-hosts")
    )
    for name in ("rules", "dashboard"):
        del theirs[f"ConfigMap/tandem-{name}"]
    assert differences(ours, theirs) == []


def test_below_a_path_on_one_host_behind_a_gateway(overlay: Overlay) -> None:
    ours = chart("production", *GATEWAY, ONE_HOST, PREFIX)
    theirs = by_name(overlay("gateway-single-host", "static-prefix-single-host", on="single-host"))
    for name in ("metadata", "artifacts"):
        del theirs[f"Ingress/tandem-{name}"]
    assert differences(ours, theirs) == []


ACCOUNTS = ("auth.mode=basic", "auth.admin.existingSecret=tandem-admin")


def test_accounts(overlay: Overlay) -> None:
    ours = chart("production", *ACCOUNTS)
    assert differences(ours, by_name(overlay("accounts"))) == []


def test_accounts_on_one_host_behind_an_ingress(overlay: Overlay) -> None:
    ours = chart("production", *ACCOUNTS, *INGRESS[1:], ONE_HOST)
    assert differences(ours, by_name(overlay("accounts", on="single-host"))) == []


def test_accounts_below_a_path(overlay: Overlay) -> None:
    ours = chart("production", *ACCOUNTS, *INGRESS[1:], PREFIX)
    theirs = by_name(overlay("accounts", "static-prefix-two-hosts", on="two-hosts"))
    assert differences(ours, theirs) == []


@pytest.mark.parametrize("monitored", [(), ("monitoring",)])
def test_accounts_with_tls_of_the_pods(monitored: tuple[str, ...], overlay: Overlay) -> None:
    secrets = [f"podTLS.{name}SecretName=tandem-{name}-pod-tls" for name in SERVERS]
    monitor = ["monitoring.podMonitor.enabled=true"] if monitored else []
    ours = chart("production", *ACCOUNTS, *INGRESS[1:], "podTLS.enabled=true", *secrets, *monitor)
    theirs = by_name(overlay("accounts", *monitored, "pod-tls", on="two-hosts"))
    for name in ("rules", "dashboard") if monitored else ():
        del theirs[f"ConfigMap/tandem-{name}"]
    assert differences(ours, theirs) == []


def test_cleaning_up(overlay: Overlay) -> None:
    ours = chart("production", "gc.enabled=true")
    assert {"CronJob/tandem-gc", "ServiceAccount/tandem-gc", "NetworkPolicy/tandem-gc"} <= (
        ours.keys()
    )
    assert differences(ours, by_name(overlay("gc"))) == []


def test_cleaning_up_with_accounts(overlay: Overlay) -> None:
    ours = chart("production", *ACCOUNTS, "gc.enabled=true")
    assert differences(ours, by_name(overlay("gc", "accounts"))) == []


def test_tokens_instead_of_the_databases_password(overlay: Overlay) -> None:
    ours = chart("production", over=["rds-iam"])
    assert differences(ours, by_name(overlay("rds-iam"))) == []


def test_tls_of_the_pods_behind_an_ingress_with_monitoring(overlay: Overlay) -> None:
    secrets = [f"podTLS.{name}SecretName=tandem-{name}-pod-tls" for name in SERVERS]
    ours = chart(
        "production",
        *INGRESS,
        "podTLS.enabled=true",
        *secrets,
        "monitoring.podMonitor.enabled=true",
    )
    theirs = by_name(overlay("monitoring", "pod-tls", on="two-hosts"))
    for name in ("rules", "dashboard"):
        del theirs[f"ConfigMap/tandem-{name}"]
    assert differences(ours, theirs) == []


def test_monitoring(overlay: Overlay) -> None:
    ours = chart(
        "production", "monitoring.podMonitor.enabled=true", "monitoring.dashboard.enabled=true"
    )
    theirs = by_name(overlay("monitoring"))
    # A rule file, where the chart has a PrometheusRule.
    del theirs["ConfigMap/tandem-rules"]
    assert differences(ours, theirs) == []


def test_dev() -> None:
    """Less is requested for a trial, no budget is kept, and it ends sooner; else it is the same."""
    told = {each.partition(":")[0] for each in differences(chart("sqlite-disk"), kustomize("dev"))}
    pods = {name: f"/Deployment/tandem-{name}/spec/template/spec" for name in SERVERS}
    requesting = [f"{pod}/containers/{name}" for name, pod in pods.items()]
    requesting.append(f"{pods['metadata']}/initContainers/migrate")
    graceful_timeout = f"{pods['artifacts']}/containers/artifacts/args/16"
    assert told == {
        *(f"{each}/resources/requests/{kind}" for each in requesting for kind in ("cpu", "memory")),
        *(f"/PodDisruptionBudget/tandem-{name}" for name in SERVERS),
        f"{pods['artifacts']}/terminationGracePeriodSeconds",
        graceful_timeout,
    }
