"""The table of runs as a person works with it."""

import uuid
from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, Page, expect

from tests.browser.content import CROWD_SIZE, SHOWCASE, TRIALS, Content
from tests.browser.tab import Tab

_PAGE = 100


@pytest.fixture
def own(client: MlflowClient) -> Iterator[str]:
    """The id of an experiment of three runs, for one test to change."""
    experiment_id = client.create_experiment(f"runs-{uuid.uuid4().hex[:8]}")
    for number, name in enumerate(("first", "second", "third")):
        run = client.create_run(experiment_id, start_time=number + 1, run_name=name)
        client.set_tag(run.info.run_id, "colour", "blue")
        client.log_metric(run.info.run_id, "score", number)
    yield experiment_id
    client.delete_experiment(experiment_id)


def _name(page: Page, row: int) -> Locator:
    """The name of the run in a row, counted from 0 as shown: not as the page's source has them."""
    return page.locator(f'[row-index="{row}"] [col-id="attributes.`Run Name`"] a')


def _expect_names(page: Page, *names: str) -> None:
    for row, name in enumerate(names):
        expect(_name(page, row)).to_have_text(name)
    expect(_name(page, len(names))).to_have_count(0)


def _box(page: Page, row: int) -> Locator:
    return page.locator(f'[row-index="{row}"]').get_by_role("checkbox", name="Press Space")


def _choose(page: Page, row: int) -> None:
    _box(page, row).check()


def _search(page: Page, text: str) -> None:
    box = page.get_by_test_id("search-box")
    box.fill(text)
    box.press("Enter")


def test_the_table_shows_what_was_logged(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    _expect_names(page, SHOWCASE, "sweep", *reversed(TRIALS))
    row = page.locator('[row-index="0"]')
    expect(row.get_by_text("iris-data")).to_be_visible()
    expect(row.get_by_role("link", name="iris-classifier")).to_be_visible()
    expect(page.get_by_text("9 matching runs")).to_be_visible()  # three are below `sweep`
    tab.shot("runs-table")
    page.locator('[row-index="1"]').get_by_role("button").click()
    _expect_names(page, SHOWCASE, "sweep", "sweep-2", "sweep-1", "sweep-0", *reversed(TRIALS))
    tab.shot("runs-nested")


def test_runs_are_sorted(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    _search(page, "metrics.`val/accuracy` > 0")
    _expect_names(page, *reversed(TRIALS))
    page.get_by_test_id("sort-select-dropdown").click()
    page.get_by_test_id("sort-select-val/accuracy").click()
    _expect_names(page, *TRIALS)
    page.get_by_test_id("sort-select-dropdown").click()
    tab.shot("runs-sorted")
    page.get_by_test_id("sort-select-asc").click()
    _expect_names(page, *reversed(TRIALS))
    page.get_by_test_id("sort-header-Run Name").click()
    _expect_names(page, "sgd-small", "sgd-large", "adam-small", "adam-large")


def test_runs_are_filtered(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    _search(page, 'metrics.loss < 1 and params.optimizer = "sgd"')
    _expect_names(page, "sgd-large", "sgd-small")
    tab.shot("runs-filtered")
    _search(page, 'attributes.run_name LIKE "adam%"')
    _expect_names(page, "adam-large", "adam-small")
    _search(page, "tags.size = 'small'")
    _expect_names(page, "sgd-small", "adam-small")
    _search(page, "metrics.loss > 1000")
    _expect_names(page)
    expect(page.get_by_role("heading", name="All runs are filtered")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    _expect_names(page, SHOWCASE, "sweep", *reversed(TRIALS))


def test_a_wrong_filter_is_explained(tab: Tab, filled: Content) -> None:
    tab.expect(400, "/runs/search$", "the filter cannot be read")
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    _expect_names(page, SHOWCASE, "sweep", *reversed(TRIALS))
    _search(page, "metrics.loss <")
    expect(page.get_by_role("heading", name="Request error")).to_be_visible()
    expect(
        page.get_by_text("Invalid clause(s) in filter string at its end: expected a number")
    ).to_be_visible()
    tab.shot("runs-wrong-filter")


def test_runs_of_a_dataset_are_found(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    page.get_by_test_id("datasets-select-dropdown").click()
    page.get_by_role("option", name="iris-data").click()
    _expect_names(page, SHOWCASE)
    tab.shot("runs-of-dataset")


def test_columns_are_chosen(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    page.get_by_test_id("column-selection-dropdown").first.click()
    columns = page.get_by_test_id("column-selector-tree")
    columns.get_by_text("val/accuracy").click()
    columns.get_by_text("optimizer").click()
    columns.get_by_text("size").click()
    page.keyboard.press("Escape")
    for name in ("val/accuracy", "optimizer", "size"):
        expect(page.get_by_role("columnheader", name=name).first).to_be_visible()
    row = page.locator('[row-index="2"]')
    expect(row.get_by_role("gridcell", name="sgd", exact=True)).to_be_visible()
    expect(row.get_by_role("gridcell", name="large", exact=True)).to_be_visible()
    tab.shot("runs-columns")


def test_all_runs_of_a_long_experiment_can_be_loaded(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.crowd_id}/runs")
    expect(page.get_by_text(f"{_PAGE} matching runs")).to_be_visible()
    page.get_by_role("button", name="Load more").click()
    expect(page.get_by_text(f"{CROWD_SIZE} matching runs")).to_be_visible()
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)


def test_runs_are_grouped(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.crowd_id}/runs")
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("menuitemcheckbox", name="group").click()
    expect(page.get_by_text("Group: 0")).to_be_visible()
    groups = page.locator('[row-index="0"]').filter(has_text="Group: 0")
    expect(groups.get_by_text("34")).to_be_visible()
    tab.shot("runs-grouped")


def test_tags_are_given_to_runs(tab: Tab, client: MlflowClient, own: str) -> None:
    page = tab.open(f"/experiments/{own}/runs")
    _choose(page, 0)
    _choose(page, 1)
    page.get_by_text("Add tags").click()
    page.get_by_role("button", name="Add new tag").click()
    dialog = page.get_by_role("dialog", name="Add New Tag")
    dialog.get_by_role("textbox").first.fill("size")
    dialog.get_by_role("textbox").last.fill("large")
    tab.shot("runs-tags")
    dialog.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    for row in (0, 1):
        _box(page, row).uncheck()
    _search(page, 'tags.size = "large"')
    _expect_names(page, "third", "second")


def test_a_run_is_renamed(tab: Tab, client: MlflowClient, own: str) -> None:
    page = tab.open(f"/experiments/{own}/runs")
    _choose(page, 0)
    page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog", name="Rename Run")
    dialog.get_by_role("textbox").fill("a better name")
    dialog.get_by_role("button", name="Save").click()
    _expect_names(page, "a better name", "second", "first")


def test_runs_are_deleted_and_restored(tab: Tab, client: MlflowClient, own: str) -> None:
    page = tab.open(f"/experiments/{own}/runs")
    _expect_names(page, "third", "second", "first")
    _choose(page, 0)
    _choose(page, 2)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete selected").click()
    _expect_names(page, "second")
    page.get_by_test_id("lifecycle-filter").click()
    page.get_by_role("option", name="Deleted").click()
    _expect_names(page, "third", "first")
    tab.shot("runs-deleted")
    _choose(page, 1)
    page.get_by_role("button", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    _expect_names(page, "third")
    page.get_by_test_id("lifecycle-filter").click()
    page.get_by_role("option", name="Active").click()
    _expect_names(page, "second", "first")
