"""Logged models: an experiment's Models tab and the page of a model, clicked through."""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from playwright.sync_api import Locator, expect

from tests.browser.content import MODEL, SHOWCASE, Site
from tests.browser.dialogs import choose, confirm, describe, dialog
from tests.browser.tab import DOWNLOAD, INTRODUCTION, Tab


@pytest.fixture
def experiment_id(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    """An experiment for one test alone."""
    return str(client.create_experiment(request.node.name))


def log(
    client: MlflowClient, experiment_id: str, name: str, score: float, *, ready: bool = True
) -> str:
    """A logged model with a param and a metric; returns its id."""
    run = client.create_run(experiment_id, run_name=f"run of {name}")
    model = client.create_logged_model(
        experiment_id, name, run.info.run_id, params={"depth": str(len(name))}
    )
    client.log_metric(run.info.run_id, "score", score, model_id=model.model_id)
    status = LoggedModelStatus.READY if ready else LoggedModelStatus.FAILED
    client.finalize_logged_model(model.model_id, status)
    return str(model.model_id)


def names(main: Locator) -> Locator:
    """The links of the table to its models, in its order."""
    return main.get_by_role("grid").locator("a[href*='/models/m-']")


def test_the_models_of_an_experiment(tab: Tab, client: MlflowClient, experiment_id: str) -> None:
    first = log(client, experiment_id, "linear", 0.5)
    log(client, experiment_id, "tree", 0.75)
    log(client, experiment_id, "broken", 0.25, ready=False)
    client.create_registered_model("of-a-table")
    client.create_model_version("of-a-table", f"models:/{first}", model_id=first)
    page = tab.open(f"/experiments/{experiment_id}/models")
    main = page.get_by_role("main")
    expect(names(main)).to_have_text(["broken", "tree", "linear"])
    expect(main.get_by_role("status").filter(has_text="Ready")).to_have_count(2)
    expect(main.get_by_role("status").filter(has_text="Failed")).to_have_count(1)
    expect(main.get_by_role("link", name="run of tree")).to_be_visible()
    expect(main.get_by_role("link", name="of-a-table")).to_be_visible()
    tab.shot("logged-models")

    main.get_by_role("button", name="Sort: Created").click()
    expect(names(main)).to_have_text(["linear", "tree", "broken"])

    main.get_by_role("button", name="Columns").click()
    columns = page.get_by_role("menu", name="Columns").locator(".du-bois-light-tree-treenode")
    columns.filter(has_text="Source run").locator(".du-bois-light-tree-checkbox").click()
    expect(main.get_by_role("columnheader", name="Source run")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(main.get_by_role("link", name="run of tree")).to_be_hidden()
    expect(main.get_by_role("columnheader", name="score")).to_be_visible()

    main.get_by_role("button", name="Group by").click()
    page.get_by_role("menuitemcheckbox", name="Source run").click()
    expect(main.get_by_text("run of broken")).to_be_visible()
    expect(names(main)).to_have_count(0)


def test_models_are_compared_in_charts(tab: Tab, client: MlflowClient, experiment_id: str) -> None:
    log(client, experiment_id, "linear", 0.5)
    log(client, experiment_id, "tree", 0.75)
    page = tab.open(f"/experiments/{experiment_id}/models")
    main = page.get_by_role("main")
    expect(names(main)).to_have_count(2)
    main.locator("label", has=page.get_by_role("radio", name="Chart view")).click()
    expect(main.locator(".js-plotly-plot .bars .point")).to_have_count(2)
    expect(main.locator(".js-plotly-plot .bartext")).to_have_text(["0.50", "0.75"])
    tab.shot("logged-model-charts")
    main.get_by_placeholder("Search metric charts").fill("nothing")
    expect(main.locator(".js-plotly-plot")).to_have_count(0)


def test_the_page_of_a_model(site_tab: Tab, site: Site) -> None:
    experiment_id, model_id = site.content.experiment_id, site.content.model_id
    page = site_tab.open(f"/experiments/{experiment_id}/models")
    main = page.get_by_role("main")
    names(main).filter(has_text=re.compile("^classifier$")).click()
    expect(main.get_by_role("heading", name="classifier")).to_be_visible()
    metric = main.get_by_role("row").filter(has_text="test_score")
    expect(metric).to_contain_text("iris-data")
    expect(metric).to_contain_text("0.97")
    expect(main.get_by_role("row").filter(has_text="C1.0")).to_be_visible()
    main.get_by_placeholder("Search metrics").fill("test_")
    expect(main.get_by_role("row").filter(has_text="accuracy")).to_be_hidden()
    expect(metric).to_be_visible()
    expect(main.get_by_text(model_id)).to_be_visible()
    expect(main.get_by_role("link", name=MODEL)).to_be_visible()
    expect(main.get_by_role("link", name=SHOWCASE, exact=True).last).to_have_attribute(
        "href", f"#/experiments/{experiment_id}/runs/{site.content.showcase}"
    )
    site_tab.shot("logged-model")
    main.get_by_role("button", name="iris-data").last.click()
    drawer = page.get_by_role("dialog").filter(has_text="petal width (cm)")
    expect(drawer).to_be_visible()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()

    main.get_by_role("link", name="Artifacts").click()
    main.get_by_text("MLmodel", exact=True).click()
    expect(main.get_by_text("sepal length (cm)")).to_be_visible()
    main.get_by_text("requirements.txt", exact=True).click()
    expect(main.get_by_text("scikit-learn", exact=False).last).to_be_visible()
    site_tab.shot("logged-model-artifacts")
    with page.expect_download() as downloading:
        site_tab.component(DOWNLOAD).click()
    assert b"scikit-learn" in Path(downloading.value.path()).read_bytes()


def test_a_model_without_artifacts_or_traces(
    tab: Tab, client: MlflowClient, experiment_id: str
) -> None:
    tab.expect_blocked(INTRODUCTION)
    model_id = log(client, experiment_id, "bare", 1)
    page = tab.open(f"/experiments/{experiment_id}/models/{model_id}/artifacts")
    main = page.get_by_role("main")
    expect(main.get_by_text("No artifacts recorded")).to_be_visible()
    main.get_by_role("link", name="Traces", exact=True).click()
    expect(main.get_by_text("Start tracing your LLM application")).to_be_visible()


def test_people_describe_register_and_delete_a_model(
    tab: Tab, client: MlflowClient, experiment_id: str, tmp_path: Path
) -> None:
    model_id = log(client, experiment_id, "chosen", 1)
    (tmp_path / "MLmodel").write_text("flavors: {}")  # what the page of a version asks for
    client.log_model_artifact(model_id, str(tmp_path / "MLmodel"))
    log(client, experiment_id, "other", 2)
    page = tab.open(f"/experiments/{experiment_id}/models/{model_id}")
    main = page.get_by_role("main")
    expect(main.get_by_text("Not registered")).to_be_visible()
    describe(page, "Edit description", "The **chosen** one")
    expect(main.get_by_role("strong").filter(has_text="chosen")).to_be_visible()

    for number in (1, 2):
        main.get_by_role("button", name="Register model").click()
        form = dialog(page, "Register model")
        form.get_by_label("Model", exact=True).click()
        if number == 1:
            page.get_by_text("Create New Model").last.click()
            form.get_by_label("Model Name").fill("from-a-logged-model")
        else:
            page.keyboard.type("from-a-logged")
            page.get_by_title("from-a-logged-model").click()
        form.get_by_role("button", name="Register").click()
        expect(form).to_be_hidden()
        expect(main.get_by_text("Not registered")).to_be_hidden()
    versions = main.locator("[href*='#/models/from-a-logged-model/versions/']")
    expect(versions.first).to_be_visible()
    versions.first.click()
    expect(main.get_by_role("link", name="chosen", exact=True)).to_be_visible()
    page.go_back()

    choose(page, "More actions", "Delete")
    confirm(page, "Delete logged model")
    expect(names(main)).to_have_text(["other"])


def test_an_experiment_without_models(tab: Tab, experiment_id: str) -> None:
    page = tab.open(f"/experiments/{experiment_id}/models")
    expect(page.get_by_text("Track and compare versions of your models")).to_be_visible()
    tab.shot("logged-models-none")


def test_a_model_that_is_not_there(tab: Tab, experiment_id: str) -> None:
    tab.expect(404, "/logged-models/m-nobody$", "there is none")
    with tab.page.expect_console_message(lambda message: "m-nobody" in message.text):
        page = tab.open(f"/experiments/{experiment_id}/models/m-nobody")
    sentence = "Logged model with ID 'm-nobody' not found"
    expect(page.get_by_role("main").get_by_text(sentence)).to_be_visible()
    # The page itself also tells the console what it shows.
    tab.errors[:] = [each for each in tab.errors if sentence not in each]
