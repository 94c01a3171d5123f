"""Registered models and their versions, clicked through."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, Page, expect

from tests.browser import layouts
from tests.browser.content import EXPERIMENT, MODEL, OTHER_MODEL, PROMPT, SHOWCASE, Content, Site
from tests.browser.dialogs import (
    add_alias,
    add_tag,
    choose,
    confirm,
    describe,
    dialog,
    remove_alias,
)
from tests.browser.tab import Tab

MENU = "Open header dropdown menu"
NEW_UI = "New model registry UI"


@pytest.fixture
def site_client(site: Site) -> Iterator[MlflowClient]:
    """The stock client on the layout of this turn."""
    with layouts.client_of(site.layout):
        yield MlflowClient(site.layout.url)


def make(client: MlflowClient, name: str, filled: Content, versions: int = 1) -> None:
    """A registered model whose versions come from the trials' runs, in turn."""
    client.create_registered_model(name)
    for number in range(versions):
        run_id = filled.trials()[number]
        model_id = filled.model_id
        client.create_model_version(name, f"models:/{model_id}", run_id, model_id=model_id)


def open_list(tab: Tab) -> Locator:
    """The list of models, after the greeting that each new visitor gets."""
    page = tab.open("/models")
    page.get_by_role("button", name="Try it now").click()
    main = page.get_by_role("main")
    expect(main.get_by_role("row").nth(1)).to_be_visible()
    return main


def search(main: Locator, text: str) -> None:
    box = main.get_by_placeholder("Search registered models")
    box.fill(text)
    box.press("Enter")


def names(main: Locator) -> Locator:
    """The links to models, one a row."""
    return main.get_by_role("row").get_by_role("cell").nth(0).get_by_role("link")


def row(main: Locator | Page, name: str) -> Locator:
    """The row of the first cells' text."""
    return main.get_by_role("row").filter(has_text=name)


def test_the_list_shows_models_and_no_prompts(tab: Tab) -> None:
    main = open_list(tab)
    search(main, "iris")
    expect(row(main, MODEL)).to_contain_text("Version 3")
    expect(row(main, MODEL)).to_contain_text("challenger: Version 3")
    expect(row(main, MODEL)).to_contain_text("task: classification")
    expect(row(main, OTHER_MODEL)).to_be_hidden()
    search(main, PROMPT)
    expect(main.get_by_text("No results.")).to_be_visible()
    search(main, "")
    expect(row(main, OTHER_MODEL)).to_contain_text("task: regression")
    expect(main.get_by_text(PROMPT)).to_be_hidden()
    tab.shot("registered-models")


def test_models_are_found_by_tags(tab: Tab) -> None:
    main = open_list(tab)
    search(main, "tags.task = 'regression'")
    expect(row(main, MODEL)).to_be_hidden()
    expect(row(main, OTHER_MODEL)).to_be_visible()
    search(main, f"name = '{MODEL}' AND tags.task = 'classification'")
    expect(row(main, OTHER_MODEL)).to_be_hidden()
    expect(row(main, MODEL)).to_be_visible()


def test_many_models_come_in_pages(tab: Tab, client: MlflowClient) -> None:
    for number in range(30):
        client.create_registered_model(f"paged-{number:02}")
    main = open_list(tab)
    search(main, "paged-")
    rows = row(main, "paged-")
    expect(rows).to_have_count(25)
    expect(rows.first).to_contain_text("paged-00")
    main.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(5)
    expect(rows.last).to_contain_text("paged-29")
    expect(main.get_by_role("button", name="Next")).to_be_disabled()
    main.get_by_role("button", name="Previous").click()
    expect(rows).to_have_count(25)
    main.get_by_title("25 / page").click()
    tab.page.get_by_title("50 / page").click()
    expect(rows).to_have_count(30)
    main.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(rows.first).to_contain_text("paged-29")
    main.get_by_role("columnheader", name="Last modified").get_by_role("button").click()
    expect(rows.first).to_contain_text("paged-00")


def test_people_create_describe_tag_and_delete_a_model(tab: Tab) -> None:
    tab.expect(404, r"/registered-models/get$", "asked before a name is taken: it must be free")
    main = open_list(tab)
    page = tab.page
    main.get_by_role("button", name="Create Model").click()
    form = dialog(page, "Create Model")
    form.get_by_label("Model name").fill(MODEL)
    form.get_by_role("button", name="Create").click()
    expect(form.get_by_text(f'Model "{MODEL}" already exists.')).to_be_visible()
    form.get_by_label("Model name").fill("made by hand")
    expect(form.get_by_text("already exists")).to_be_hidden()
    form.get_by_role("button", name="Create").click()
    expect(main.get_by_role("heading", name="made by hand")).to_be_visible()
    expect(main.get_by_text("No models versions are registered yet.")).to_be_visible()

    describe(page, "Edit", "# Why\n\nIt is *new*.")
    expect(main.get_by_role("heading", name="Why")).to_be_visible()
    expect(main.get_by_role("emphasis")).to_have_text("new")

    main.get_by_role("button", name="Tags", exact=True).click()
    main.get_by_label("tag name").fill("owner")
    main.get_by_label("tag value").fill("ann")
    main.get_by_role("button", name="Add", exact=True).click()
    tag = main.get_by_role("row").filter(has_text="owner")
    expect(tag).to_contain_text("ann")
    tag.get_by_test_id("editable-table-button-edit").click()
    tag.get_by_role("textbox").fill("bea")
    tag.get_by_role("button", name="Save").click()
    expect(tag).to_contain_text("bea")
    page.reload()
    expect(tag).to_contain_text("bea")
    expect(main.get_by_role("heading", name="Why")).to_be_visible()
    tab.shot("registered-model-made")
    tag.get_by_test_id("editable-table-button-delete").click()
    confirm(page, "Are you sure you want to delete this tag？", "Confirm")
    expect(tag).to_be_hidden()

    choose(page, MENU, "Delete")
    confirm(page, "Delete Model")
    expect(main.get_by_role("heading", name="Registered Models")).to_be_visible()
    search(main, "made by hand")
    expect(main.get_by_text("No results.")).to_be_visible()


def test_the_page_of_a_model(tab: Tab) -> None:
    page = tab.open(f"/models/{MODEL}")
    main = page.get_by_role("main")
    expect(main.get_by_text("Tells flowers apart")).to_be_visible()
    expect(row(main, "classification")).to_contain_text("task")
    expect(main.get_by_role("link", name=re.compile("^Version "))).to_have_text(
        ["Version 3", "Version 2", "Version 1"]
    )
    expect(row(main, "Version 3")).to_contain_text("challenger")
    expect(row(main, "Version 3")).to_contain_text("round: 3")
    expect(row(main, "Version 2")).to_contain_text("champion")
    expect(row(main, "Version 1")).to_contain_text("The first of them")
    tab.shot("registered-model")
    main.get_by_role("columnheader", name="Registered at").get_by_role("button").click()
    expect(main.get_by_role("link", name=re.compile("^Version ")).first).to_have_text("Version 1")


def test_versions_get_tags_and_aliases_in_the_table(
    tab: Tab, client: MlflowClient, filled: Content
) -> None:
    make(client, "tagged-in-table", filled, 2)
    client.set_registered_model_alias("tagged-in-table", "champion", "1")
    page = tab.open("/models/tagged-in-table")
    second = row(page, "Version 2")
    first = row(page, "Version 1")
    expect(first).to_contain_text("champion")
    second.get_by_role("button", name="Add").first.click()
    add_tag(page, "risk", "low")
    # This build does not show by itself what was saved here, with MLflow's server neither.
    page.reload()
    expect(second).to_contain_text("risk: low")
    second.get_by_role("button", name="Add").click()
    add_alias(page, "champion", "Add/Edit alias for model version 2")
    page.reload()
    expect(second).to_contain_text("champion")
    expect(first).not_to_contain_text("champion")


def test_the_page_of_a_version(site_tab: Tab, site: Site) -> None:
    page = site_tab.open(f"/models/{MODEL}/versions/2")
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name="Version 2")).to_be_visible()
    expect(main.get_by_text("champion")).to_be_visible()
    expect(main.get_by_text("Production")).to_be_visible()
    expect(row(main, "round")).to_contain_text("2")
    # The schema is read from the artifact MLmodel.
    main.get_by_text("Inputs (4)").click()
    expect(row(main, "petal width (cm)")).to_contain_text("double")
    expect(main.get_by_text("Outputs (1)")).to_be_visible()
    expect(main.get_by_role("link", name="classifier", exact=True)).to_have_attribute(
        "href", f"#/experiments/{site.content.experiment_id}/models/{site.content.model_id}"
    )
    site_tab.shot("model-version")
    main.get_by_role("link", name=SHOWCASE).click()
    expect(main.get_by_role("heading", name=SHOWCASE)).to_be_visible()
    expect(main.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()


def test_people_describe_tag_and_alias_a_version(
    tab: Tab, client: MlflowClient, filled: Content
) -> None:
    make(client, "edited", filled)
    page = tab.open("/models/edited/versions/1")
    main = page.get_by_role("main")
    describe(page, "Edit", "Tuned **twice**")
    expect(main.get_by_role("strong")).to_have_text("twice")
    main.get_by_role("button", name="Tags", exact=True).click()
    main.get_by_label("tag name").fill("checked")
    main.get_by_label("tag value").fill("yes")
    main.get_by_role("button", name="Add", exact=True).last.click()
    expect(row(main, "checked")).to_contain_text("yes")
    main.get_by_title("Add aliases").click()
    add_alias(page, "stable", "Add/Edit alias for model version 1")
    expect(main.get_by_role("status", name="stable")).to_be_visible()
    page.reload()
    expect(main.get_by_role("strong")).to_have_text("twice")
    expect(row(main, "checked")).to_contain_text("yes")
    main.get_by_title("Edit aliases").click()
    remove_alias(page, "stable", "Add/Edit alias for model version 1")
    expect(main.get_by_role("status", name="stable")).to_be_hidden()
    row(main, "checked").get_by_test_id("editable-table-button-delete").click()
    confirm(page, "Are you sure you want to delete this tag？", "Confirm")
    expect(row(main, "checked")).to_be_hidden()


def test_stages_in_the_old_pages(tab: Tab, client: MlflowClient, filled: Content) -> None:
    make(client, "staged", filled, 2)
    client.transition_model_version_stage("staged", "1", "Production")
    page = tab.open("/models/staged/versions/2")
    main = page.get_by_role("main")
    expect(main.get_by_text("Stage (deprecated)")).to_be_visible()
    main.get_by_label(NEW_UI).click()
    confirm(page, "Disable the new model stages", "Disable")
    main.get_by_role("status").filter(has_text="None").click()
    page.get_by_role("menuitem").filter(has_text="Production").click()
    form = dialog(page, "Stage transition")
    form.get_by_role("checkbox").check()
    form.get_by_role("button", name="OK").click()
    expect(main.get_by_role("status").filter(has_text="Production")).to_be_visible()
    main.get_by_label(MENU).click()
    expect(page.get_by_role("menuitem", name="Delete")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")
    main.get_by_role("link", name="staged").click()
    expect(row(main, "Version 2")).to_contain_text("Production")
    expect(row(main, "Version 1")).to_contain_text("Archived")
    main.locator("label", has_text="Active 1").click()
    expect(row(main, "Version 1")).to_be_hidden()
    tab.shot("model-stages")
    main.get_by_role("link", name="Registered Models").click()
    expect(main.get_by_role("columnheader", name="Production")).to_be_visible()
    page.get_by_role("button", name="Try it now").click()
    expect(main.get_by_role("columnheader", name="Aliased versions")).to_be_visible()


def test_a_version_is_promoted_into_another_model(
    tab: Tab, client: MlflowClient, filled: Content
) -> None:
    make(client, "before-promotion", filled)
    client.create_registered_model("after-promotion")
    page = tab.open("/models/before-promotion/versions/1")
    main = page.get_by_role("main")
    main.get_by_role("button", name="Promote model").click()
    form = dialog(page, "Promote before-promotion version 1")
    form.get_by_label("Copy to model").click()
    page.keyboard.type("after-p")
    page.get_by_title("after-promotion").click()
    form.get_by_role("button", name="Promote").click()
    expect(main.get_by_text("Copied from")).to_be_visible()
    expect(main.get_by_role("link", name="before-promotion")).to_be_visible()
    expect(main.get_by_text("Inputs (4)")).to_be_visible()
    main.get_by_role("link", name="after-promotion").click()
    expect(row(main, "Version 1")).to_be_visible()


def test_versions_are_compared(site_tab: Tab, site: Site, site_client: MlflowClient) -> None:
    make(site_client, "compared", site.content, 2)
    page = site_tab.open("/models/compared")
    main = page.get_by_role("main")
    for version in ("Version 1", "Version 2"):
        row(main, version).get_by_role("checkbox").check()
    main.get_by_test_id("compareButton").click()
    expect(main.get_by_role("heading", name="Comparing 2 Versions")).to_be_visible()
    expect(row(main, "Run Name")).to_contain_text("adam-small")
    expect(row(main, "Run Name")).to_contain_text("adam-large")
    expect(row(main, "depth")).to_contain_text("12")
    expect(row(main, "optimizer")).to_be_hidden()  # it does not differ
    schema = row(main, "Ignore column ordering")
    schema.get_by_role("switch").last.click()  # off: "Show diff only"
    expect(row(main, "Inputs [3]")).to_contain_text("petal width (cm): double")
    expect(row(main, "val/accuracy")).to_be_visible()
    main.get_by_role("tab", name="Scatter Plot").click()
    expect(main.locator(".js-plotly-plot .ytitle")).to_be_visible()
    site_tab.shot("compare-versions")


def test_a_model_is_registered_from_the_page_of_a_run(
    site_tab: Tab, site_client: MlflowClient, tmp_path: Path
) -> None:
    """The button shows for runs of clients before 3, whose models are artifacts of the run."""
    run_id = _old_style_model(site_client, tmp_path)
    page = site_tab.open(f"/runs/{run_id}")
    main = page.get_by_role("main")
    main.get_by_role("button", name="Register model").click()
    form = dialog(page, "Register model")
    form.get_by_label("Model", exact=True).click()
    page.get_by_text("Create New Model").last.click()
    form.get_by_label("Model Name").fill("from-a-run")
    form.get_by_role("button", name="Register").click()
    main.get_by_role("link", name="from-a-run").first.click()
    expect(main.get_by_role("heading", name="Version 1")).to_be_visible()
    expect(main.get_by_text("Inputs (1)")).to_be_visible()
    expect(main.get_by_role("link", name="old-style")).to_be_visible()


def _old_style_model(client: MlflowClient, directory: Path) -> str:
    experiment_id = client.create_experiment("old-style")
    run = client.create_run(experiment_id, run_name="old-style")
    signature = {"inputs": json.dumps([{"name": "x", "type": "double"}]), "outputs": "[]"}
    flavors = {"python_function": {"loader_module": "nothing"}}
    described = {"flavors": flavors, "signature": signature, "run_id": run.info.run_id}
    (directory / "MLmodel").write_text(json.dumps(described))
    client.log_artifact(run.info.run_id, str(directory / "MLmodel"), "model")
    logged = {"artifact_path": "model", "utc_time_created": "2026-01-01 00:00:00.0", **described}
    client.set_tag(run.info.run_id, "mlflow.log-model.history", json.dumps([logged]))
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def test_a_version_is_deleted(tab: Tab, client: MlflowClient, filled: Content) -> None:
    tab.expect(404, "/model-versions/get", "the page asks once more for what it deleted")
    make(client, "shrinking", filled, 2)
    page = tab.open("/models/shrinking/versions/1")
    main = page.get_by_role("main")
    choose(page, MENU, "Delete")
    confirm(page, "Delete Model Version")
    expect(row(main, "Version 2")).to_be_visible()
    expect(row(main, "Version 1")).to_be_hidden()


def test_models_and_versions_that_are_not_there(tab: Tab) -> None:
    for path in ("/registered-models/get$", "/model-versions/get$", "/model-versions/get-artifact"):
        tab.expect(404, path, "there is none")
    page = tab.open("/models/nobody")
    expect(page.get_by_text("Model nobody does not exist")).to_be_visible()
    page = tab.open(f"/models/{MODEL}/versions/77")
    expect(page.get_by_text(f"Model {MODEL} v77 does not exist")).to_be_visible()
    page.get_by_role("link", name="the home page.").click()
    expect(page.get_by_role("heading", name="Registered Models")).to_be_visible()
