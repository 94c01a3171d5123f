"""The UI starts, in either layout, where nothing of it was configured."""

from playwright.sync_api import expect

from tests.browser.content import EXPERIMENT
from tests.browser.tab import Tab


def test_the_ui_opens_on_the_experiments(site_tab: Tab) -> None:
    page = site_tab.open("/experiments")
    expect(page.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()
    site_tab.shot("experiments")
