"""Artifacts of runs: listed, previewed and downloaded, wherever the artifacts service is."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.content import FILES, ODD_NAME, SAVED_MODEL, Content, Site
from tests.browser.tab import DOWNLOAD, Tab


def _artifacts(tab: Tab, content: Content) -> Page:
    return tab.open(f"/experiments/{content.experiment_id}/runs/{content.showcase}/artifacts")


def _choose(page: Page, *names: str) -> None:
    """Click through the tree: folders, then a file."""
    tree = page.get_by_role("main").get_by_role("list").first
    for name in names:
        tree.get_by_text(name, exact=True).click()


def test_files_are_previewed(site_tab: Tab, site: Site) -> None:
    page = _artifacts(site_tab, site.content)
    main = page.get_by_role("main")
    _choose(page, "text", "notes.txt")
    expect(main.get_by_text("The second line ☃")).to_be_visible()
    site_tab.shot("artifact-text")
    _choose(page, ODD_NAME)
    expect(main.get_by_text("an odd name")).to_be_visible()
    _choose(page, "data.json")
    expect(main.get_by_text('"answer"')).to_be_visible()
    site_tab.shot("artifact-json")
    _choose(page, "rows.csv")
    expect(main.get_by_text("Previewing the first 2 rows")).to_be_visible()
    expect(main.get_by_text("Basel")).to_be_visible()
    site_tab.shot("artifact-csv")
    _choose(page, "readme.md")
    expect(main.get_by_role("heading", name="Heading")).to_be_visible()
    site_tab.shot("artifact-markdown")
    _choose(page, "config.yaml")
    expect(main.get_by_text("depth:")).to_be_visible()
    _choose(page, "train.py")
    expect(main.get_by_text("train", exact=True)).to_be_visible()
    _choose(page, "pictures", "square.png")
    picture = main.get_by_role("img", name="pictures/square.png")
    expect(picture).to_have_js_property("naturalWidth", 64)
    site_tab.shot("artifact-image")
    _choose(page, "answers.json")
    expect(main.get_by_role("cell", name="second")).to_be_visible()
    site_tab.shot("artifact-table")
    _choose(page, "html", "report.html")
    expect(main.frame_locator("iframe").get_by_role("heading", name="A report")).to_be_visible()
    site_tab.shot("artifact-html")
    _choose(page, "raw.dat")
    expect(main.get_by_role("heading", name="Select a file to preview")).to_be_visible()


def test_a_model_says_how_to_use_it(site_tab: Tab, site: Site) -> None:
    page = _artifacts(site_tab, site.content)
    main = page.get_by_role("main")  # a run with a model opens on it
    expect(main.get_by_role("heading", name="MLflow Model")).to_be_visible()
    expect(main.get_by_role("row", name="petal length (cm) (required) double")).to_be_visible()
    expect(main.get_by_text(f"runs:/{site.content.showcase}/{SAVED_MODEL}").first).to_be_visible()
    site_tab.shot("artifact-model")
    _choose(page, "MLmodel")
    expect(main.get_by_text("python_function")).to_be_visible()


@pytest.mark.parametrize("path", ["text/rows.csv", f"text/{ODD_NAME}", "raw.dat"])
def test_a_file_is_downloaded_as_it_was(site_tab: Tab, site: Site, path: str) -> None:
    page = _artifacts(site_tab, site.content)
    _choose(page, *path.split("/"))
    name = path.rpartition("/")[2]
    with page.expect_download() as started:
        site_tab.component(DOWNLOAD).click()
    assert started.value.suggested_filename == name
    assert Path(started.value.path()).read_bytes() == FILES[path].encode()


def test_a_link_leads_to_a_file(site_tab: Tab, site: Site) -> None:
    content = site.content
    page = site_tab.open(
        f"/experiments/{content.experiment_id}/runs/{content.showcase}/artifacts/text/notes.txt"
    )
    expect(page.get_by_role("main").get_by_text("The second line ☃")).to_be_visible()


def test_a_run_without_artifacts_says_so(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.trials()[0]}/artifacts")
    expect(page.get_by_text("No Artifacts Recorded")).to_be_visible()
    tab.shot("artifacts-none")
