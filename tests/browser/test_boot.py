"""The UI starts, in either layout, where nothing of it was configured, and soon the next time."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.content import EXPERIMENT
from tests.browser.tab import Tab

OUR_SCRIPTS = "**/tandem-*.js"
FILES = """
() => performance.getEntriesByType("resource")
  .filter(each => /static-files.*[.][0-9a-f]{8}[.]/.test(each.name))
  .map(each => [each.transferSize, each.encodedBodySize, each.decodedBodySize])
"""


def assistant(tab: Tab) -> Locator:
    """The panel's greeting; it would open by itself on a first visit at localhost."""
    return tab.page.get_by_text("Welcome to MLflow Assistant")


def test_the_ui_opens_on_the_experiments(site_tab: Tab) -> None:
    page = site_tab.open("/experiments")
    expect(page.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()
    site_tab.shot("experiments")


def test_people_land_on_the_table_of_runs_and_no_panel_opens(tab: Tab) -> None:
    page = tab.open("/experiments")
    page.get_by_role("link", name=EXPERIMENT, exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs\b"))
    expect(page.get_by_role("columnheader", name="Run Name").first).to_be_visible()
    tab.rest()
    expect(assistant(tab)).to_be_hidden()


def test_without_our_scripts_another_page_and_the_panel_open(tab: Tab) -> None:
    """So the test above says something."""
    tab.page.route(
        OUR_SCRIPTS, lambda route: route.fulfill(body="", content_type="text/javascript")
    )
    page = tab.open("/experiments")
    page.get_by_role("link", name=EXPERIMENT, exact=True).click()
    expect(page).to_have_url(re.compile("/overview/usage"))
    expect(assistant(tab)).to_be_visible()


def test_what_the_user_chose_stays(tab: Tab) -> None:
    page = tab.open("/experiments")
    page.get_by_role("button", name="GenAI").click()
    page.reload()
    page.get_by_role("link", name=EXPERIMENT, exact=True).click()
    expect(page).to_have_url(re.compile("/overview/usage"))


def test_files_come_compressed_and_only_once(tab: Tab) -> None:
    page = tab.open("/experiments")
    expect(page.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()
    tab.settle()
    files = page.evaluate(FILES)
    assert len(files) > 1
    sent, encoded, decoded = map(sum, zip(*files, strict=True))
    assert encoded <= sent < decoded / 3
    page.reload()
    expect(page.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()
    tab.settle()
    files = page.evaluate(FILES)
    assert len(files) > 1
    assert sum(sent for sent, _, _ in files) == 0
