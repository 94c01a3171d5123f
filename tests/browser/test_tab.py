"""What the suite holds against a page: each kind of fault, made on purpose, fails a test."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.content import EXPERIMENT, Site
from tests.browser.tab import Tab, open_tab

GATEWAY = "**/gateway-proxy*"
ELSEWHERE = "https://elsewhere.example.com/"


def try_out(browser: Browser, site: Site, fault: Callable[[Tab], object]) -> None:
    """A test that makes a fault."""
    with open_tab(browser, site.layout, f"fault-{fault.__name__}") as tab:
        tab.open("/experiments")
        fault(tab)
        tab.settle()


def console_error(tab: Tab) -> None:
    tab.page.evaluate("console.error('it went wrong')")


def uncaught_error(tab: Tab) -> None:
    tab.page.evaluate("setTimeout(() => { throw new Error('nobody caught me') })")


def missing_file(tab: Tab) -> None:
    tab.page.evaluate("fetch('static-files/static/js/gone.js')")


def no_answer(tab: Tab) -> None:
    tab.page.route("**/experiments/search*", lambda route: route.abort("connectionreset"))
    tab.page.reload()


def call_of_another_host(tab: Tab) -> None:
    tab.page.evaluate(f"fetch('{ELSEWHERE}').catch(() => 0)")


def picture_of_another_host(tab: Tab) -> None:
    tab.page.evaluate(f"new Image().src = '{ELSEWHERE}'")


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (console_error, "the console shows errors:\nit went wrong"),
        (uncaught_error, "the console shows errors:\n.*nobody caught me"),
        (missing_file, r"requests failed:\nGET .*/gone\.js: 404"),
        (no_answer, "requests failed:\nGET .*/experiments/search.*CONNECTION_RESET"),
        (call_of_another_host, f"the console shows errors:\n.*'{ELSEWHERE}' violates"),
        (picture_of_another_host, f"requests failed:\nGET {ELSEWHERE}: csp"),
    ],
)
def test_a_fault_fails_the_test(
    browser: Browser, one_host: Site, fault: Callable[[Tab], object], named: str
) -> None:
    with pytest.raises(AssertionError, match=named):
        try_out(browser, one_host, fault)


def test_a_red_message_fails_the_test(browser: Browser, one_host: Site) -> None:
    """One that MLflow's UI shows on the table of runs of a server that lacks an endpoint."""

    def red_message(tab: Tab) -> None:
        tab.expect(404, "/gateway-proxy$", "here the message counts")
        tab.page.route(GATEWAY, lambda route: route.fulfill(status=404, body="no such thing"))
        page = tab.open(f"/experiments/{one_host.content.experiment_id}/runs")
        expect(page.get_by_text("no such thing")).to_be_visible()
        tab.errors.clear()

    with pytest.raises(AssertionError, match=r"the page showed red messages:\n.*no such thing"):
        try_out(browser, one_host, red_message)


def test_a_page_that_never_comes_to_rest_is_told(tab: Tab) -> None:
    tab.open("/experiments")
    expect(tab.page.get_by_role("link", name=EXPERIMENT, exact=True)).to_be_visible()
    tab.rest()
    tab.page.evaluate(
        "document.querySelector('main')"
        ".animate([{opacity: 0}, {opacity: 1}], {duration: 500, iterations: Infinity})"
    )
    tab.page.set_default_timeout(1000)
    with pytest.raises(AssertionError, match="never comes to rest:\n<main"):
        tab.rest()
