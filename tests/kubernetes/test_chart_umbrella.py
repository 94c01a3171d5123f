"""The chart as a part of another: what a parent chart sets."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.kubernetes import chart, tools
from tests.kubernetes.tools import CHART, Object


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """A chart that has Tandem's in it, under a condition."""
    shutil.copytree(CHART, tmp_path / "charts" / "tandem")
    dependency = {"name": "tandem", "version": "*", "condition": "tandem.enabled"}
    manifest = {"apiVersion": "v2", "name": "platform", "version": "1.0.0"}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(manifest | {"dependencies": [dependency]}))
    return tmp_path


def render(parent: Path, **values: Object) -> list[Object]:
    minimal = yaml.safe_load(chart.values("minimal").read_text())
    own = minimal | values.pop("tandem", {})
    path = parent / "given.yaml"
    path.write_text(yaml.safe_dump({"tandem": own, **values}))
    return tools.render_chart(path, chart=parent)


def test_umbrella_chart_switches_tandem_on_and_off_by_its_condition(parent: Path) -> None:
    assert chart.of_kind(render(parent, tandem={"enabled": True}), "Deployment")
    assert render(parent, tandem={"enabled": False}) == []


def test_umbrella_chart_sets_registry_and_pull_secrets_of_all_images(parent: Path) -> None:
    given = {
        "imageRegistry": "registry.example.com",
        "imagePullSecrets": ["own", {"name": "other"}],
        "storageClass": "fast",
    }
    objects = render(parent, **{"global": given}, tandem={"imagePullSecrets": [{"name": "own"}]})
    workloads = [each for each in objects if each["kind"] in ("Deployment", "Job")]
    assert len(workloads) == 3
    for each in workloads:
        image = chart.container(each)["image"]
        assert image.startswith("registry.example.com/tandem-mlflow/tandem-")
        pod = each["spec"]["template"]["spec"]
        assert pod["imagePullSecrets"] == [{"name": "own"}, {"name": "other"}]


@pytest.mark.parametrize("name", ["everything", "generated-secrets"])
def test_namespace_override_holds_for_every_object(name: str) -> None:
    own = chart.render(name)
    other = chart.render(name, "namespaceOverride=mlops")
    assert {each["metadata"]["namespace"] for each in own if "namespace" in each["metadata"]} == {
        tools.NAMESPACE
    }
    for before, after in zip(own, other, strict=True):
        if before["metadata"].get("namespace"):
            assert after["metadata"]["namespace"] == "mlops"
    (metadata,) = (
        each
        for each in other
        if each["metadata"]["name"].endswith("-metadata") and each["kind"] == "Deployment"
    )
    hosts = chart.flag(metadata, "--allowed-hosts").split(",")
    assert f"{metadata['metadata']['name']}.mlops.svc" in hosts
