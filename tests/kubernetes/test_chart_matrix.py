"""What holds under every entry of the chart's matrix, and is the chart's own.

What holds for any rendered objects is in test_render.py.
"""

import argparse
import json
import re

import pytest

import tandem_artifacts.settings
import tandem_metadata.settings
from tandem_shared.settings import CommonSettings, add_arguments, load
from tests.kubernetes import chart, tools
from tests.kubernetes.tools import CHART

SETTINGS: dict[str, type[CommonSettings]] = {
    "metadata": tandem_metadata.settings.Settings,
    "artifacts": tandem_artifacts.settings.Settings,
}

every_entry = pytest.mark.parametrize("name", chart.MATRIX)


def workloads(objects: list[tools.Object]) -> list[tools.Object]:
    return [each for each in objects if each["kind"] in ("Deployment", "Job", "CronJob")]


def component(obj: tools.Object) -> str:
    return str(obj["metadata"]["labels"]["app.kubernetes.io/component"])


def test_no_two_templates_share_a_name() -> None:
    """Helm would take the one that it reads last, for both."""
    files = (CHART / "templates").rglob("*.tpl")
    names = [name for file in files for name in re.findall(r'define "([^"]+)"', file.read_text())]
    assert len(names) == len(set(names))


@every_entry
def test_lint(name: str) -> None:
    said = tools.helm("lint", "--strict", CHART, "--values", chart.values(name))
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


@every_entry
def test_selectors_hold_nothing_that_changes(name: str) -> None:
    for each in chart.of_kind(chart.render(name), "Deployment").values():
        assert sorted(each["spec"]["selector"]["matchLabels"]) == [
            "app.kubernetes.io/component",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/name",
        ]


@every_entry
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
    metadata = known["metadata"] | known.get("migration", set()) | known.get("gc", set())
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


def parser(settings: type[CommonSettings]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    add_arguments(made, settings)
    return made


@every_entry
def test_the_services_take_their_arguments(name: str) -> None:
    objects = chart.render(name)
    for own, settings in SETTINGS.items():
        (deployment,) = [
            each for each in chart.of_kind(objects, "Deployment").values() if component(each) == own
        ]
        command = chart.container(deployment)
        assert (command["command"], command["args"][0]) == ([f"tandem-{own}"], "serve")
        given = load(settings, {}, vars(parser(settings).parse_args(command["args"][1:])))
        assert given.port == chart.COMPONENTS[own]
        assert given.shutdown_delay == 5
        assert given.allowed_hosts


def test_flags_that_the_chart_keeps_to_itself_are_flags() -> None:
    """A misspelt one would be let through."""
    text = (CHART / "templates" / "_validate_separation.tpl").read_text()
    kept = set(re.findall(r"^  (--?[a-z-]+):", text, re.MULTILINE))
    known = {each for of in SETTINGS.values() for each in parser(of)._option_string_actions}
    assert len(kept) > 15
    assert kept <= known
