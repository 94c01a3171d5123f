"""What holds under every entry of the chart's matrix, and is the chart's own.

What holds for any rendered objects is in test_render.py.
"""

import json

import pytest

from tests.kubernetes import chart, tools
from tests.kubernetes.tools import CHART

pytestmark = pytest.mark.parametrize("name", chart.MATRIX)


def workloads(objects: list[tools.Object]) -> list[tools.Object]:
    return [each for each in objects if each["kind"] in ("Deployment", "Job")]


def component(obj: tools.Object) -> str:
    return str(obj["metadata"]["labels"]["app.kubernetes.io/component"])


def test_lint(name: str) -> None:
    said = tools.helm("lint", "--strict", CHART, "--values", chart.values(name))
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


def test_selectors_hold_nothing_that_changes(name: str) -> None:
    for each in chart.of_kind(chart.render(name), "Deployment").values():
        assert sorted(each["spec"]["selector"]["matchLabels"]) == [
            "app.kubernetes.io/component",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/name",
        ]


def test_secrets_stay_in_their_component(name: str) -> None:
    """The database's in metadata and the migration, the object store's in artifacts."""
    objects = chart.render(name)
    known: dict[str, set[str]] = {}
    for each in workloads(objects):
        spec = json.dumps(each["spec"])
        own = component(each)
        known[own] = {found["name"] for found in _references(each["spec"])}
        assert ("MLFLOW_BACKEND_STORE_URI" in spec) == (own != "artifacts")
        assert ("--artifacts-destination" in spec) == (own == "artifacts")
    metadata = known["metadata"] | known.get("migration", set())
    assert metadata & known["artifacts"] == set()


def _references(value: object) -> list[dict[str, str]]:
    """Everything below that names a Secret."""
    if isinstance(value, list):
        return [found for each in value for found in _references(each)]
    if not isinstance(value, dict):
        return []
    found = [each for key, each in value.items() if key in ("secretKeyRef", "secretRef")]
    if "secretName" in value:
        found.append({"name": value["secretName"]})
    return found + [each for inner in value.values() for each in _references(inner)]
