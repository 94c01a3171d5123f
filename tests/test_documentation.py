"""The documentation names what there is: a setting or a metric that it leaves out fails here."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import prometheus_client
import pytest

import tandem_artifacts.app
import tandem_artifacts.settings
import tandem_metadata.app
import tandem_metadata.settings
import tandem_shared.serving.run  # noqa: F401 – its metrics are documented too
from tandem_artifacts.settings import Settings as ArtifactsSettings
from tandem_metadata.settings import Settings as MetadataSettings
from tandem_shared.settings import CommonSettings, flag

ROOT = Path(__file__).resolve().parent.parent
SERVICES = {
    tandem_metadata.settings.NAME: MetadataSettings,
    tandem_artifacts.settings.NAME: ArtifactsSettings,
}
SETTINGS = [
    pytest.param(item, id=f"{service}-{item.name}")
    for service, settings in SERVICES.items()
    for item in dataclasses.fields(settings)
]


def documented_rows(page: str) -> list[str]:
    return [line for line in (ROOT / "docs" / page).read_text().splitlines() if line[:1] == "|"]


@pytest.mark.parametrize("item", SETTINGS)
def test_a_setting_is_documented_with_its_variable_and_default(
    item: "dataclasses.Field[object]",
) -> None:
    rows = [row for row in documented_rows("settings.md") if f"`{flag(item)}`" in row]
    assert rows, f"docs/settings.md does not name {flag(item)}"
    default = str(item.default).lower() if isinstance(item.default, bool) else item.default
    shown = "none" if default in (None, "") else default
    assert any(
        f"| `{item.metadata['env']}` | `{shown}` | {item.metadata['help']} |" in row for row in rows
    ), f"docs/settings.md has another variable, default or text for {flag(item)}"


@pytest.mark.parametrize("service", SERVICES)
def test_help_names_every_setting_with_its_variable_and_default(service: str) -> None:
    command = Path(sys.executable).parent / service
    shown = subprocess.run(
        [command, "serve", "--help"], check=True, capture_output=True, text=True
    ).stdout
    words = " ".join(shown.split())
    for item in dataclasses.fields(SERVICES[service]):
        assert flag(item) in words
        assert re.search(rf"\[env {item.metadata['env']}; default [^\]]+\]", words)


def test_the_documentation_names_no_setting_that_is_gone() -> None:
    known = {
        flag(item)
        for settings in (CommonSettings, *SERVICES.values())
        for item in dataclasses.fields(settings)
    }
    named = {
        match[1]
        for row in documented_rows("settings.md")
        if (match := re.match(r"\| (?:`-\w`, )?`(--[a-z0-9-]+)` \|", row))
    }
    assert named == known


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = _LINK.findall(page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_pictures_are_shown_and_small() -> None:
    shown = {
        page.parent / name
        for page in PAGES
        for name in re.findall(r"!\[.*\]\((\S+)\)", page.read_text())
    }
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture in shown
        assert picture.stat().st_size < 200_000


def test_every_metric_is_documented_and_no_other() -> None:
    ours = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in prometheus_client.REGISTRY.collect()
        if metric.name.startswith("tandem_") and not metric.name.startswith("tandem_test_")
    }
    rows = documented_rows("metrics.md")
    assert {match[1] for row in rows if (match := re.match(r"\| `(tandem_\w+)`", row))} == ours
