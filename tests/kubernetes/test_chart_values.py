"""values.yaml and its schema: the same keys, each explained, and nothing else is taken."""

import copy
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.kubernetes import chart, tools
from tests.kubernetes.tools import CHART

DEFAULTS = chart.default_values()
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
Keys = tuple[str, ...]

ANYTHING = {
    "commonLabels", "commonAnnotations", "annotations", "metadataAnnotations", "labels",
    "artifactsAnnotations", "podAnnotations", "podLabels", "nodeSelector", "affinity",
    "requests", "limits", "credentials", "groupRoles", "scaleUp", "scaleDown",
    "deploymentAnnotations", "dnsConfig",
}  # fmt: skip
"""Maps whose keys are the user's, or Kubernetes's own."""


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def maps(value: dict[str, Any], path: Keys = ()) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Every map of values whose keys are the chart's."""
    yield path, value
    for key, each in value.items():
        if isinstance(each, dict) and key not in ANYTHING:
            yield from maps(each, (*path, key))


def over(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Values as Helm merges them: maps key by key, all else as given."""
    merged = {
        key: over(defaults[key], value)
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
        else value
        for key, value in given.items()
    }
    return defaults | merged


def at(value: dict[str, Any], path: Keys) -> dict[str, Any]:
    for key in path:
        value = value[key]
    return value


MAPS = [path for path, _ in maps(DEFAULTS)]
OWN = [path for path in MAPS if path != ("global",)]
"""Without that of a parent chart, which may hold anything."""


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(SCHEMA)
    return Draft202012Validator(SCHEMA)


def test_the_defaults_and_the_matrix_are_taken(validator: Draft202012Validator) -> None:
    validator.validate(DEFAULTS)
    for name in chart.MATRIX:
        validator.validate(over(DEFAULTS, yaml.safe_load(chart.values(name).read_text())))


@pytest.mark.parametrize("path", OWN, ids=".".join)
def test_unknown_keys_are_refused(path: Keys, validator: Draft202012Validator) -> None:
    given = copy.deepcopy(DEFAULTS)
    at(given, path)["unknwon"] = 1
    errors = list(validator.iter_errors(given))
    assert [error.validator for error in errors] == ["additionalProperties"]
    assert tuple(errors[0].absolute_path) == path


@pytest.mark.parametrize("path", MAPS, ids=".".join)
def test_the_schema_has_the_keys_of_the_values(path: Keys) -> None:
    schema = SCHEMA
    for key in path:
        schema = resolved(resolved(schema)["properties"][key])
    known = set(resolved(schema)["properties"])
    extra = known - at(DEFAULTS, path).keys()
    allowed: dict[Keys, set[str]] = {
        (): {"enabled"},
        ("podSecurityContext",): {"supplementalGroups", "seLinuxOptions"},
        ("podSecurityContext", "seccompProfile"): {"localhostProfile"},
        ("httpRoute", "timeouts", "metadata"): {"request", "backendRequest"},
    }
    if path[-1:] in {("resources",)}:
        extra -= {"claims"}
    if "probes" in path:
        extra -= {"initialDelaySeconds"}
    if path[-1:] in {("behavior",)}:
        extra -= {"scaleUp", "scaleDown"}
    if path[-2:] in {("keda", "fallback"), ("keda", "authenticationRef")}:
        return
    if path[-1:] == ("appArmorProfile",):
        extra -= {"type", "localhostProfile"}
    assert extra <= allowed.get(path, set()), "in the schema, and nowhere in values.yaml"


@pytest.mark.parametrize(
    "pair",
    [
        "metadata.replicas=0",
        "metadata.replicas=two",
        "metadata.workers=0",
        "database.type=mysql",
        "migration.mode=init",
        "artifacts.image.pullPolicy=Sometimes",
        "artifacts.image.digest=sha256:1",
        "artifacts.image.tag=a b",
        "metadata.service.port=70000",
        "metadata.service.type=ExternalName",
        "artifacts.longestTransferSeconds=-1",
        "artifacts.autoscaling.cpu=0",
        "artifacts.autoscaling.bytesPerSecond=fast",
        "artifacts.keda.minReplicas=0",
        "artifacts.keda.serverAddress=prometheus",
        "artifacts.persistence.mountPath=data",
        "metadata.webhooks.encryptionKey=short",
        "metadata.podLabels.a=1",
        "metadata.resources.requests.cpu=much",
        "networkPolicy.dns.ports[0]=0",
        "networkPolicy.ingressFrom[0].selector=a",
        "networkPolicy.database.peers[0].ipBlock.except[0]=10.0.0.0/8",
        "httpRoute.parentRefs[0].namespace=a",
        "httpRoute.timeouts.artifacts.request=forever",
        "hosts.scheme=ftp",
        "listenAddress=127.0.0.1",
        "podSecurityContext.runAsNonRoot=false",
        "podSecurityContext.runAsUser=0",
        "podSecurityContext.seccompProfile.type=Unconfined",
        "containerSecurityContext.readOnlyRootFilesystem=false",
        "containerSecurityContext.allowPrivilegeEscalation=true",
        "containerSecurityContext.capabilities.drop=null",
        "containerSecurityContext.privileged=true",
        "objectStore.credentials.access-key=a",
    ],
)
def test_values_that_cannot_be_are_refused_by_name(pair: str) -> None:
    with pytest.raises(tools.ToolError) as refused:
        tools.render_chart(chart.values("minimal"), sets=[pair])
    told = str(refused.value)
    assert "values don't meet the specifications of the schema" in told
    place = re.sub(r"\[\d+\]", "", pair.partition("=")[0]).split(".")
    assert any(f"/{part}" in told or f"'{part}'" in told for part in place[-2:]), told


def test_each_line_is_explained() -> None:
    """Every key that has a value has a comment behind it, or on the line above."""
    bare, above = [], ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        if re.match(r" *(- )?\w+: *[^ #]", line) and " # " not in line and "#" not in above:
            bare.append(line)
        above = line
    # The parts of one peer, of which the line above both tells.
    assert [each.split()[0] for each in bare] == ["-", "podSelector:"]


def test_the_chart_is_packaged_without_tests(tmp_path: Path) -> None:
    tools.helm("package", CHART, "--destination", tmp_path)
    packed = tools.helm(
        "template", "tandem", *tmp_path.iterdir(), "--values", chart.values("everything")
    )
    assert packed == tools.helm("template", "tandem", CHART, "--values", chart.values("everything"))
    (archive,) = tmp_path.iterdir()
    with tarfile.open(archive) as tar:
        folders = {name.split("/")[1] for name in tar.getnames()}
    assert folders.isdisjoint({"ci", "examples"})
    assert {"templates", "files", "values.schema.json", "README.md"} <= folders


def test_extra_objects_are_expanded_wherever_they_are_maps_or_text() -> None:
    maps_ = chart.of_kind(chart.render("everything"), "ConfigMap")
    assert maps_["more"]["data"] == {"TRACKING": "https://mlflow.example.com"}
    assert maps_["ml-text"]["data"] == {"namespace": "tandem"}
