"""The dialogs that pages of models, versions and prompts share, filled in as people do."""

from playwright.sync_api import Locator, Page, expect


def dialog(page: Page, title: str) -> Locator:
    """The dialog of this title, once it is there."""
    found = page.get_by_role("dialog").filter(
        has=page.get_by_role("heading", name=title, exact=True)
    )
    expect(found).to_be_visible()
    return found


def add_tag(page: Page, key: str, value: str, title: str = "Add/Edit tags") -> None:
    """Type a tag into the open dialog and save it."""
    found = dialog(page, title)
    _type(page, found, key)
    found.get_by_placeholder("Type a value").fill(value)
    found.get_by_role("button", name="Add tag").click()
    found.get_by_role("button", name="Save tags").click()
    expect(found).to_be_hidden()


def add_alias(page: Page, alias: str, title: str) -> None:
    """Type an alias into the open dialog and save it."""
    found = dialog(page, title)
    _type(page, found, alias)
    found.get_by_role("button", name="Save aliases").click()
    expect(found).to_be_hidden()


def remove_alias(page: Page, alias: str, title: str) -> None:
    """Take an alias out of the open dialog and save what is left."""
    found = dialog(page, title)
    found.get_by_role("status", name=alias, exact=True).get_by_role("button").click()
    found.get_by_role("button", name="Save aliases").click()
    expect(found).to_be_hidden()


def confirm(page: Page, title: str, button: str = "Delete") -> None:
    """Say yes in the open dialog."""
    found = dialog(page, title)
    found.get_by_role("button", name=button, exact=True).click()
    expect(found).to_be_hidden()


def describe(page: Page, button: str, markdown: str) -> None:
    """Write a description into the editor that the button opens, and save it."""
    page.get_by_role("main").get_by_role("button", name=button, exact=True).click()
    editor = page.get_by_role("main").locator("textarea").first
    editor.fill(markdown)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(editor).to_be_hidden()


def choose(page: Page, menu: str, item: str) -> None:
    """Open the menu behind a button and take one of its items."""
    page.get_by_role("main").get_by_label(menu).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def _type(page: Page, found: Locator, text: str) -> None:
    box = found.get_by_role("combobox")
    box.click()
    page.keyboard.type(text)
    # The option for new text appears with the text; Enter before that would take nothing.
    expect(page.get_by_role("option", name=text, exact=True).first).to_be_attached()
    page.keyboard.press("Enter")
