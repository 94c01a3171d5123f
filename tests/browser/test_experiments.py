"""Experiments as a person works with them."""

import uuid

from mlflow import MlflowClient
from playwright.sync_api import expect

from tests.browser.content import EXPERIMENT
from tests.browser.tab import Tab

_NEW = "/experiments/get-by-name$"
_NEW_REASON = "before it creates one, the UI asks whether the name is free"


def _name() -> str:
    return f"experiment-{uuid.uuid4().hex[:8]}"


def test_an_experiment_is_created_renamed_and_deleted(tab: Tab, client: MlflowClient) -> None:
    first, second = _name(), _name()
    tab.expect(404, _NEW, _NEW_REASON)
    page = tab.open("/experiments")
    page.get_by_role("button", name="Create", exact=True).click()
    dialog = page.get_by_role("dialog", name="Create Experiment")
    dialog.get_by_label("Experiment Name").fill(first)
    tab.shot("experiment-create")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("main").get_by_role("link", name=first)).to_be_visible()

    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Edit experiment").click()
    dialog = page.get_by_role("dialog", name="Edit experiment")
    dialog.get_by_label("Experiment name").fill(second)
    dialog.get_by_role("textbox", name="Description").fill("What **this** is about")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main").get_by_role("link", name=second)).to_be_visible()
    expect(page.get_by_text("What this is about")).to_be_visible()
    tab.shot("experiment-edited")
    renamed = client.get_experiment_by_name(second)
    assert renamed is not None
    assert renamed.tags["mlflow.note.content"] == "What **this** is about"

    page.get_by_role("button", name="Open header dropdown menu").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog", name=f'Delete Experiment "{second}"')
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name=second)).to_have_count(0)
    assert client.get_experiment(renamed.experiment_id).lifecycle_stage == "deleted"

    client.restore_experiment(renamed.experiment_id)  # the UI has no button for it
    page.reload()
    expect(page.get_by_role("main").get_by_role("link", name=second)).to_be_visible()
    client.delete_experiment(renamed.experiment_id)


def test_a_taken_name_is_refused(tab: Tab) -> None:
    page = tab.open("/experiments")
    page.get_by_role("button", name="Create", exact=True).click()
    dialog = page.get_by_role("dialog", name="Create Experiment")
    dialog.get_by_label("Experiment Name").fill(EXPERIMENT)
    expect(dialog.get_by_text("already exists")).to_be_visible()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_be_visible()


def test_experiments_are_found_by_name_and_by_tag(tab: Tab, client: MlflowClient) -> None:
    name = _name()
    experiment_id = client.create_experiment(name, tags={"colour": name})
    page = tab.open("/experiments")
    search = page.get_by_placeholder("Search experiments")
    search.fill(name.upper())
    search.press("Enter")
    rows = page.get_by_role("table").get_by_role("link")
    expect(rows).to_have_text([name])
    expect(page.get_by_role("status", name="colour")).to_contain_text(name)
    tab.shot("experiment-search")
    search.fill("nobody has this name")
    search.press("Enter")
    expect(rows).to_have_count(0)
    client.delete_experiment(experiment_id)


def test_tags_of_an_experiment_are_edited(tab: Tab, client: MlflowClient) -> None:
    name = _name()
    experiment_id = client.create_experiment(name, tags={"old": "value"})
    page = tab.open("/experiments")
    row = page.get_by_role("row", name=name)
    row.get_by_role("button", name="Edit tags").last.click()
    dialog = page.get_by_role("dialog", name="Add/Edit tags")
    dialog.get_by_role("combobox").click()
    page.keyboard.type("colour")
    page.keyboard.press("Enter")
    dialog.get_by_label("Value").fill("green")
    dialog.get_by_role("button", name="Add tag").click()
    tab.shot("experiment-tags")
    dialog.get_by_role("status", name="old").get_by_role("button").click()
    dialog.get_by_role("button", name="Save tags").click()
    expect(row.get_by_role("status", name="colour")).to_contain_text("green")
    expect(row.get_by_role("status", name="old")).to_have_count(0)
    tags = client.get_experiment(experiment_id).tags
    assert tags["colour"] == "green"
    assert "old" not in tags
    client.delete_experiment(experiment_id)


def test_chosen_experiments_are_deleted_together(tab: Tab, client: MlflowClient) -> None:
    ids = {name: client.create_experiment(name) for name in (_name(), _name())}
    page = tab.open("/experiments")
    for name in ids:
        page.get_by_role("row", name=name).get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for name, experiment_id in ids.items():
        expect(page.get_by_role("link", name=name)).to_have_count(0)
        assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
