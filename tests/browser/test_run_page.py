"""The page of one run, tab by tab; its artifacts are in test_artifacts.py."""

import uuid
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from playwright.sync_api import expect

from tests.browser.content import EXPERIMENT, MODEL, SHOWCASE, Content, Site
from tests.browser.tab import Tab


@pytest.fixture
def own(client: MlflowClient) -> Iterator[str]:
    """The id of a run for one test to change."""
    experiment_id = client.create_experiment(f"run-{uuid.uuid4().hex[:8]}")
    yield client.create_run(experiment_id, run_name="mine", tags={"old": "value"}).info.run_id
    client.delete_experiment(experiment_id)


def _address(client: MlflowClient, run_id: str) -> str:
    return f"/experiments/{client.get_run(run_id).info.experiment_id}/runs/{run_id}"


def test_the_overview_shows_the_run(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.showcase}")
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name=SHOWCASE)).to_be_visible()
    expect(main.get_by_text("A run with one of each")).to_be_visible()
    expect(main.get_by_role("row", name="accuracy 0.98 classifier")).to_be_visible()
    expect(main.get_by_role("row", name="system/cpu_utilization_percentage 41")).to_be_visible()
    expect(main.get_by_role("row", name="optimizer adam")).to_be_visible()
    expect(main.get_by_text("01/01/2026, 01:00:00 AM")).to_be_visible()
    expect(main.get_by_text("Finished")).to_be_visible()
    expect(main.get_by_text("42.0s")).to_be_visible()
    expect(main.get_by_text("maria")).to_be_visible()
    expect(main.get_by_role("status", name="team")).to_contain_text("blue")
    models = main.get_by_role("grid")
    expect(models.get_by_role("link", name="classifier", exact=True)).to_be_visible()
    expect(models.get_by_text("Ready")).to_be_visible()
    expect(main.get_by_role("link", name=MODEL).first).to_be_visible()
    tab.shot("run-overview")
    main.get_by_placeholder("Search metrics").fill("acc")
    expect(main.get_by_role("row", name="accuracy")).to_be_visible()
    expect(main.get_by_role("row", name="loss")).to_have_count(0)


def test_a_dataset_opens_beside_the_run(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.showcase}")
    page.get_by_role("button", name="iris-data").last.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text("150", exact=True)).to_be_visible()
    expect(drawer.get_by_text("petal length (cm)")).to_be_visible()
    tab.shot("run-dataset")


def test_model_metrics_show_charts_and_pictures(site_tab: Tab, site: Site) -> None:
    content = site.content
    page = site_tab.open(f"/experiments/{content.experiment_id}/runs/{content.showcase}")
    page.get_by_role("tab", name="Model metrics").click()
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    for name in ("accuracy", "loss", "test_score", "samples"):
        expect(cards.filter(has=page.get_by_role("heading", name=name))).to_be_visible()
    loss = cards.filter(has=page.get_by_role("heading", name="loss", exact=True))
    expect(loss.locator(".scatterlayer .trace .point")).to_have_count(50)
    picture = cards.filter(has=page.get_by_role("heading", name="samples")).locator("img").first
    expect(picture).to_be_visible()
    expect(picture).not_to_have_js_property("naturalWidth", 0)
    site_tab.shot("run-model-metrics", full_page=True)


def test_system_metrics_show_charts(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.showcase}")
    page.get_by_role("tab", name="System metrics").click()
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    expect(cards).to_have_count(2)
    cpu = cards.filter(has_text="cpu_utilization_percentage")
    expect(cpu.locator(".scatterlayer .trace .point")).to_have_count(30)
    tab.shot("run-system-metrics")


def test_traces_are_a_clean_empty_page(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.showcase}/traces")
    expect(page.get_by_text("No traces found")).to_be_visible()
    tab.shot("run-traces")


def test_a_run_names_its_children(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.runs['sweep']}")
    main = page.get_by_role("main")
    for number in range(3):
        expect(main.get_by_role("link", name=f"sweep-{number}")).to_be_visible()
    tab.shot("run-children")
    main.get_by_role("link", name="sweep-1").click()
    expect(main.get_by_role("heading", name="sweep-1")).to_be_visible()
    expect(main.get_by_role("link", name="sweep", exact=True)).to_be_visible()


def test_a_run_is_found_by_its_id_alone(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/runs/{filled.showcase}")
    expect(page.get_by_role("heading", name=SHOWCASE)).to_be_visible()
    expect(page.get_by_role("link", name=EXPERIMENT).first).to_be_visible()


def test_an_unknown_run_is_said_to_be_unknown(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/{'0' * 32}")
    expect(page.get_by_text(f"Run ID {'0' * 32} does not exist")).to_be_visible()
    tab.shot("run-unknown")


def test_a_run_is_described_tagged_and_renamed(tab: Tab, client: MlflowClient, own: str) -> None:
    page = tab.open(_address(client, own))
    page.get_by_role("button", name="Edit description").click()
    page.get_by_role("textbox").last.fill("Said *later*")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Said later")).to_be_visible()

    page.get_by_role("button", name="Edit tags").click()
    dialog = page.get_by_role("dialog", name="Add/Edit tags")
    dialog.get_by_role("combobox").click()
    page.keyboard.type("colour")
    page.keyboard.press("Enter")
    dialog.get_by_label("Value").fill("green")
    dialog.get_by_role("button", name="Add tag").click()
    dialog.get_by_role("status", name="old").get_by_role("button").click()
    dialog.get_by_role("button", name="Save tags").click()
    expect(page.get_by_role("main").get_by_role("status", name="colour")).to_contain_text("green")

    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Rename").click()
    dialog = page.get_by_role("dialog", name="Rename Run")
    dialog.get_by_role("textbox").fill("yours")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main").get_by_role("heading", name="yours")).to_be_visible()
    tab.shot("run-edited")
    tags = client.get_run(own).data.tags
    assert tags["mlflow.note.content"] == "Said *later*"
    assert tags["colour"] == "green"
    assert "old" not in tags
    assert tags["mlflow.runName"] == "yours"


def test_a_run_is_deleted_from_its_page(tab: Tab, client: MlflowClient, own: str) -> None:
    page = tab.open(_address(client, own))
    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete selected").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    # An experiment without runs says so in several places.
    empty = page.get_by_text("0 matching runs").or_(page.get_by_text("No runs"))
    expect(empty.first).to_be_visible()
    assert client.get_run(own).info.lifecycle_stage == "deleted"
