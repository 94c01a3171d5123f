"""What each overlay and component is for."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem_artifacts.settings import Settings as ArtifactsSettings
from tandem_shared.settings import load
from tests.kubernetes import consistency, tools
from tests.kubernetes.consistency import flags, of_kind, server_of
from tests.kubernetes.overlays import Overlay, rendered
from tests.kubernetes.schemas import check
from tests.kubernetes.test_chart_matrix import parser
from tests.kubernetes.tools import CHART, KUSTOMIZE, Object

ARTIFACT_PATHS = ["/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts"]


def overlaid(name: str) -> list[Object]:
    return rendered(f"overlays/{name}")


def one(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found


def paths(route: Object) -> list[str]:
    """The path prefixes of an Ingress or HTTPRoute, which has one rule."""
    (rule,) = route["spec"]["rules"]
    if "http" in rule:
        assert {each["pathType"] for each in rule["http"]["paths"]} == {"Prefix"}
        return [each["path"] for each in rule["http"]["paths"]]
    assert {each["path"]["type"] for each in rule["matches"]} == {"PathPrefix"}
    return [each["path"]["value"] for each in rule["matches"]]


@pytest.mark.parametrize("name", ["dev", "production", "single-host", "two-hosts"])
def test_secrets_are_named_and_never_contained(name: str) -> None:
    assert of_kind(overlaid(name), "Secret", "ConfigMap") == []
    assert "password" not in json.dumps(overlaid(name)).lower()


def test_dev_is_one_pod_each_with_a_volume_each() -> None:
    objects = overlaid("dev")
    assert of_kind(objects, "Job", "Ingress", "HorizontalPodAutoscaler") == []
    for name in consistency.SERVERS:
        deployment = one(objects, "Deployment", f"tandem-{name}")
        assert deployment["spec"]["replicas"] == 1
        assert deployment["spec"]["strategy"] == {"type": "Recreate"}
        volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == f"tandem-{name}"
        assert one(objects, "PersistentVolumeClaim", f"tandem-{name}")
        mounted = {
            each["name"]: each["mountPath"] for each in server_of(deployment)["volumeMounts"]
        }
        assert mounted == {"tmp": "/tmp", "data": "/var/lib/tandem"}


def test_dev_brings_the_file_up_before_it_serves() -> None:
    deployment = one(overlaid("dev"), "Deployment", "tandem-metadata")
    (migrate,) = deployment["spec"]["template"]["spec"]["initContainers"]
    server = server_of(deployment)
    assert [*migrate["command"], *migrate["args"]] == ["tandem-metadata", "db", "upgrade"]
    assert migrate["image"] == server["image"]
    uri = {"name": "MLFLOW_BACKEND_STORE_URI", "value": "sqlite:////var/lib/tandem/mlflow.db"}
    assert uri in migrate["env"]
    assert uri in server["env"]


def test_dev_is_reached_as_the_readme_says() -> None:
    readme = (KUSTOMIZE / "README.md").read_text()
    objects = overlaid("dev")
    for name, port in consistency.SERVERS.items():
        assert f"port-forward service/tandem-{name} {port} &" in readme
        assert one(objects, "Service", f"tandem-{name}")["spec"]["ports"][0]["port"] == port
        server = server_of(one(objects, "Deployment", f"tandem-{name}"))
        assert flags(server)["--allowed-hosts"].split(",")[0] == f"localhost:{port}"
    root = flags(server_of(one(objects, "Deployment", "tandem-metadata")))[
        "--default-artifact-root"
    ]
    assert f"`{root}`" in readme


@pytest.mark.parametrize("route", ["Ingress", "HTTPRoute"])
@pytest.mark.parametrize("layout", ["single-host", "two-hosts"])
def test_settings_reach_every_place(overlay: Overlay, route: str, layout: str) -> None:
    """Whatever routes there are, and whatever other component."""
    component = f"{'ingress' if route == 'Ingress' else 'gateway'}-{layout}"
    artifacts_host = "b.example.org" if layout == "two-hosts" else "a.example.org"
    objects = overlay(
        "monitoring",
        component,
        "settings",
        metadataHost="a.example.org",
        artifactsHost=artifacts_host,
        artifactsDestination="s3://c/d",
        region="e",
    )
    for each in objects:
        check(each)
    objects = [each for each in objects if each["kind"] != "ConfigMap"]
    assert "example.com" not in json.dumps(objects)
    problems = consistency.problems(objects)
    if layout == "single-host":  # only the overlay of that name takes the needless origin away
        problems.remove("artifacts allows the origin 'https://a.example.org'")
    assert problems == []
    server = server_of(one(objects, "Deployment", "tandem-artifacts"))
    assert flags(server)["--artifacts-destination"] == "s3://c/d"
    assert {"name": "AWS_DEFAULT_REGION", "value": "e"} in server["env"]
    assert paths(one(objects, route, "tandem-metadata")) == ["/"]
    expected = ["/"] if layout == "two-hosts" else ARTIFACT_PATHS
    assert paths(one(objects, route, "tandem-artifacts")) == expected


def test_one_host_has_one_certificate_and_two_have_two() -> None:
    for name, count in (("single-host", 1), ("two-hosts", 2)):
        ingresses = of_kind(overlaid(name), "Ingress")
        assert len({each["spec"]["tls"][0]["secretName"] for each in ingresses}) == count


def test_only_the_artifacts_route_has_no_time_limit(overlay: Overlay) -> None:
    objects = overlay("gateway-two-hosts", "settings")
    (rule,) = one(objects, "HTTPRoute", "tandem-artifacts")["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    (rule,) = one(objects, "HTTPRoute", "tandem-metadata")["spec"]["rules"]
    assert "timeouts" not in rule


def test_monitoring_has_the_charts_rules_and_dashboard(overlay: Overlay) -> None:
    objects = overlay("monitoring")
    files = CHART / "files"
    dashboard = one(objects, "ConfigMap", "tandem-dashboard")
    assert dashboard["data"] == {"tandem.json": (files / "dashboard.json").read_text()}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    rules = one(objects, "ConfigMap", "tandem-rules")
    assert yaml.safe_load(rules["data"]["tandem.yaml"]) == yaml.safe_load(
        (files / "rules.yaml").read_text()
    )


@pytest.mark.parametrize("other", ["pod-tls", "static-prefix-two-hosts"])
def test_monitoring_after_what_changes_its_monitors_is_refused(
    overlay: Overlay, other: str
) -> None:
    with pytest.raises(tools.ToolError, match=r"testing value .* failed"):
        overlay("gateway-two-hosts", other, "monitoring")


@pytest.mark.parametrize("other", ["pod-tls", "static-prefix-two-hosts"])
def test_accounts_after_what_changes_the_way_to_metadata_are_refused(
    overlay: Overlay, other: str
) -> None:
    with pytest.raises(tools.ToolError, match=r"testing value .* failed"):
        overlay(other, "accounts")


def test_artifacts_ask_metadata_by_tls_with_accounts_alone(overlay: Overlay) -> None:
    """Without them the service refuses to start with what is for asking."""
    server = server_of(one(overlay("pod-tls"), "Deployment", "tandem-artifacts"))
    assert "--metadata-ca" not in flags(server)
    assert "TANDEM_METADATA_URL" not in {each["name"] for each in server["env"]}


def test_artifacts_with_accounts_and_tls_start(overlay: Overlay) -> None:
    objects = overlay("accounts", "pod-tls")
    server = server_of(one(objects, "Deployment", "tandem-artifacts"))
    for each in objects:
        check(each)
    given = vars(parser(ArtifactsSettings).parse_args(server["args"][1:]))
    environ = {each["name"]: each["value"] for each in server["env"] if "value" in each}
    found = load(ArtifactsSettings, environ, given)
    assert (found.auth, found.metadata_url) == ("metadata", "https://tandem-metadata:5000")
    assert found.metadata_ca == "/etc/tandem/pod-tls/ca.crt"
    assert not found.insecure_no_auth


def test_tls_below_a_path_takes_the_lines_of_the_readme(overlay: Overlay, tmp_path: Path) -> None:
    copy = tmp_path / "pod-tls"
    shutil.copytree(KUSTOMIZE / "components" / "pod-tls", copy)
    patch = copy / "metadata.yaml"
    readme = (KUSTOMIZE / "README.md").read_text().splitlines()
    lines = [each for each in readme if each.startswith("- {op: ") and "/args/17" in each]
    kept = [each for each in patch.read_text().splitlines() if "/args/15" not in each]
    assert len(lines) == 2
    patch.write_text("\n".join([*kept, *lines]))
    below = "gateway-two-hosts", "monitoring", "static-prefix-two-hosts"
    objects = overlay(*below, os.path.relpath(copy, KUSTOMIZE / "components"))
    given = flags(server_of(one(objects, "Deployment", "tandem-metadata")))
    assert given["--artifacts-url"] == "https://tandem-artifacts:5500/mlflow"
    for name in consistency.SERVERS:
        (endpoint,) = one(objects, "PodMonitor", f"tandem-{name}")["spec"]["podMetricsEndpoints"]
        assert (endpoint["scheme"], endpoint["path"]) == ("https", "/mlflow/metrics")


@pytest.mark.parametrize("prefix", ["static-prefix-two-hosts", "static-prefix-single-host"])
def test_tls_of_the_pods_as_it_is_below_a_path_is_refused(overlay: Overlay, prefix: str) -> None:
    with pytest.raises(tools.ToolError, match=r"testing value .* failed"):
        overlay(prefix, "pod-tls")


def egress(policy: Object) -> dict[int, list[Any]]:
    """The peers that a policy lets its pods reach, by port; names of ports are those of Tandem."""
    reached: dict[int, list[Any]] = {}
    for rule in policy["spec"]["egress"]:
        for port in rule["ports"]:
            number = 5500 if port["port"] == "http" else port["port"]
            reached.setdefault(number, []).extend(rule["to"])
    return reached


def test_policies_keep_the_components_apart() -> None:
    objects = overlaid("production")
    policies = {consistency.component(each): each for each in of_kind(objects, "NetworkPolicy")}
    assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for each in policies.values())
    database = [{"ipBlock": {"cidr": "10.0.5.0/24"}}]
    store = [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]
    metadata, artifacts, migration = (
        egress(policies[name]) for name in ("metadata", "artifacts", "migration")
    )
    assert metadata.keys() == {53, 5432, 5500}
    assert metadata[5432] == database
    (peer,) = metadata[5500]
    assert peer["podSelector"] == policies["artifacts"]["spec"]["podSelector"]
    assert artifacts.keys() == {53, 443}
    assert artifacts[443] == store  # which leaves the database's network out
    assert migration.keys() == {53, 5432}
    assert migration[5432] == database
    assert policies["migration"]["spec"]["ingress"] == []


def test_the_readme_names_what_there_is() -> None:
    readme = (KUSTOMIZE / "README.md").read_text()
    for folder in (KUSTOMIZE / "overlays").iterdir():
        assert f"    overlays/{folder.name} " in readme
    objects = overlaid("two-hosts")
    for secret in ("tandem-database", "tandem-metadata-tls", "tandem-artifacts-tls"):
        assert f" {secret} " in readme
        assert f'"{secret}"' in json.dumps(objects)


def test_every_file_is_part_of_something() -> None:
    """A file that no kustomization lists would never be applied."""
    for folder in {path.parent for path in KUSTOMIZE.rglob("kustomization.yaml")}:
        listed = (folder / "kustomization.yaml").read_text()
        for path in sorted(folder.rglob("*.yaml")):
            nearest = next(it for it in path.parents if (it / "kustomization.yaml").exists())
            if nearest == folder and path.name != "kustomization.yaml":
                assert f"{Path(path.relative_to(folder))}" in listed, path
