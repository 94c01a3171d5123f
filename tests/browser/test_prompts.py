"""Prompts: written, compared, tagged and deleted as people do."""

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, Page, expect

from tests.browser.content import MODEL, PROMPT, Content
from tests.browser.dialogs import add_alias, add_tag, choose, confirm, dialog, remove_alias
from tests.browser.tab import Tab

FREE_NAME = "asked before a name is taken: it must be free"


@pytest.fixture
def prompt(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    """A prompt of two versions for one test alone."""
    name = str(request.node.name)
    client.register_prompt(name, "Say {{word}} once", "Once")
    client.register_prompt(name, "Say {{word}} twice", "Twice")
    client.set_prompt_alias(name, "live", 1)
    return name


def open_prompts(tab: Tab) -> Locator:
    """The list of prompts, by the side bar."""
    page = tab.open("/")
    page.get_by_role("button", name="GenAI").click()
    page.get_by_role("navigation").get_by_role("link", name="Prompts").click()
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name="Prompts")).to_be_visible()
    return main


def open_prompt(tab: Tab, name: str) -> Locator:
    main = tab.open(f"/prompts/{name}").get_by_role("main")
    expect(main.get_by_role("heading", name=name)).to_be_visible()
    return main


def version(main: Locator, number: int) -> Locator:
    """The row of a version, beside its text."""
    return main.get_by_role("row").filter(has_text=f"Version {number}")


def write(page: Page, title: str, text: str, message: str = "", name: str = "") -> None:
    """Fill in the form for a new prompt or version, and send it."""
    form = dialog(page, title)
    if name:
        form.get_by_label("Name:").fill(name)
    form.get_by_role("textbox", name="Prompt:").fill(text)
    form.get_by_label("Commit message (optional):").fill(message)
    form.get_by_role("button", name="Create").click()


def test_the_list_shows_prompts_and_no_models(tab: Tab) -> None:
    main = open_prompts(tab)
    row = main.get_by_role("row").filter(has=tab.page.get_by_role("link", name=PROMPT, exact=True))
    expect(row).to_contain_text("Version 2")
    expect(row).to_contain_text("lang: en")
    expect(main.get_by_text(MODEL)).to_be_hidden()
    tab.shot("prompts")
    main.get_by_placeholder("Search prompts").fill(PROMPT[:5])
    expect(row).to_be_visible()
    main.get_by_placeholder("Search prompts").fill("no such words")
    expect(main.get_by_text("No prompts found")).to_be_visible()
    main.get_by_placeholder("Search prompts").fill("tags.lang = 'en'")
    expect(row).to_be_visible()
    expect(main.get_by_role("link", name=MODEL)).to_be_hidden()
    row.get_by_role("link").click()
    expect(main.get_by_text("Good morning, {{name}}!")).to_be_visible()
    expect(main.get_by_text("Second wording")).to_be_visible()
    version(main, 1).click()
    expect(main.get_by_text("Hello {{name}}")).to_be_visible()
    expect(main.get_by_role("status", name="production").first).to_be_visible()
    tab.shot("prompt")


def test_people_write_a_prompt_and_a_second_version(tab: Tab) -> None:
    tab.expect(404, "/registered-models/get$", FREE_NAME)
    main = open_prompts(tab)
    page = tab.page
    main.get_by_role("button", name="Create prompt").click()
    write(page, "Create prompt", "Bye {{name}}", "First words", name="farewell")
    expect(main.get_by_role("heading", name="Viewing version 1")).to_be_visible()
    expect(main.get_by_text("Bye {{name}}")).to_be_visible()
    expect(main.get_by_text("First words")).to_be_visible()
    main.get_by_role("button", name="Create prompt version").click()
    write(page, "Create prompt version", "Goodbye, dear {{name}}", "More words")
    expect(main.get_by_role("heading", name="Viewing version 2")).to_be_visible()
    expect(main.get_by_text("Goodbye, dear {{name}}")).to_be_visible()

    main.locator("label", has=page.get_by_role("radio", name="Compare")).click()
    heading = main.get_by_role("heading", name="Comparing version 2 with version 1")
    expect(heading).to_be_visible()
    main.locator("label", has=page.get_by_role("radio", name="Text")).click()
    expect(main.get_by_text("Goodbye, dear {{name}}")).to_be_visible()
    main.get_by_role("button", name="Switch sides").click()
    expect(main.get_by_role("heading", name="Comparing version 1 with version 2")).to_be_visible()
    tab.shot("prompt-compare")

    main.get_by_role("link", name="Prompts").click()
    row = main.get_by_role("row").filter(has_text="farewell")
    expect(row).to_contain_text("Version 2")


def test_a_taken_name_is_refused(tab: Tab) -> None:
    main = open_prompts(tab)
    main.get_by_role("button", name="Create prompt").click()
    tab.expect(400, "/registered-models/create$", "the name is taken")
    write(tab.page, "Create prompt", "Hello", name=PROMPT)
    form = dialog(tab.page, "Create prompt")
    expect(form.get_by_text(PROMPT)).to_be_visible()


def test_people_tag_and_alias_a_prompt(tab: Tab, prompt: str) -> None:
    main = open_prompt(tab, prompt)
    page = tab.page
    main.get_by_role("button", name="Edit tags").click()
    add_tag(page, "team", "blue")
    expect(main.get_by_text("team: blue")).to_be_visible()
    tab.component("mlflow.prompts.details.version.add_tags").click()
    add_tag(page, "quality", "good", "Add/Edit Prompt Version Metadata")
    expect(main.get_by_text("quality: good")).to_be_visible()

    version(main, 2).get_by_role("button", name="Add").click()
    add_alias(page, "next", "Add/edit alias for prompt version 2")
    expect(version(main, 2).get_by_role("status", name="next")).to_be_visible()
    version(main, 1).get_by_role("button").click()
    remove_alias(page, "live", "Add/edit alias for prompt version 1")
    expect(version(main, 1).get_by_role("status", name="live")).to_be_hidden()
    page.reload()
    expect(main.get_by_text("team: blue")).to_be_visible()
    expect(version(main, 2).get_by_role("status", name="next")).to_be_visible()
    expect(version(main, 1).get_by_role("status")).to_have_count(0)
    version(main, 2).click()
    expect(main.get_by_text("quality: good")).to_be_visible()


def test_a_version_and_then_a_prompt_are_deleted(tab: Tab, prompt: str) -> None:
    main = open_prompt(tab, prompt)
    page = tab.page
    expect(main.get_by_text("Say {{word}} twice")).to_be_visible()
    main.get_by_role("button", name="Delete version").click()
    confirm(page, "Delete prompt version")
    expect(version(main, 2)).to_be_hidden()
    expect(main.get_by_text("Say {{word}} once")).to_be_visible()
    choose(page, "More actions", "Delete")
    confirm(page, "Delete prompt")
    expect(main.get_by_role("heading", name="Prompts")).to_be_visible()
    expect(main.get_by_role("link", name=PROMPT, exact=True)).to_be_visible()
    expect(main.get_by_role("link", name=prompt)).to_be_hidden()


def test_the_prompts_of_an_experiment(tab: Tab, client: MlflowClient, filled: Content) -> None:
    tab.expect(404, "/registered-models/get$", FREE_NAME)
    experiment_id = client.create_experiment("with-a-prompt")
    page = tab.open(f"/experiments/{experiment_id}/prompts")
    main = page.get_by_role("main")
    expect(main.get_by_text("Create your first prompt")).to_be_visible()
    main.get_by_role("button", name="Or create a prompt manually").click()
    write(page, "Create prompt", "Only *here*", name="local")
    expect(main.get_by_role("heading", name="Viewing version 1")).to_be_visible()
    expect(main.get_by_role("emphasis")).to_have_text("here")
    tab.open(f"/experiments/{experiment_id}/prompts")
    expect(main.get_by_role("link", name="local")).to_be_visible()
    expect(main.get_by_role("link", name=PROMPT, exact=True)).to_be_hidden()
    tab.shot("experiment-prompts")
    # The stock client marks a prompt with the experiment that is active.
    tab.open(f"/experiments/{filled.experiment_id}/prompts")
    expect(main.get_by_role("link", name=PROMPT, exact=True)).to_be_visible()
    expect(main.get_by_role("link", name="local")).to_be_hidden()


def test_a_prompt_that_is_not_there(tab: Tab) -> None:
    tab.expect(404, "/registered-models/get$", "there is none")
    page = tab.open("/prompts/nobody")
    expect(page.get_by_text("Prompt name 'nobody' does not exist")).to_be_visible()
