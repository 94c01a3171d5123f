"""One browser for all its tests, and both services in either layout, filled once.

Everything lasts as long as this directory's tests: Playwright's event loop stays in this thread,
where other tests run loops of their own.
"""

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser

from tests.browser import chromium, content, layouts
from tests.browser.chromium import Outside
from tests.browser.content import Content, Site
from tests.browser.tab import Tab, open_tab


@pytest.fixture(scope="package")
def outside() -> Iterator[Outside]:
    """What stands for all other hosts; no page of any test may have called one."""
    with chromium.outside() as server:
        yield server
        assert server.called() == set()


@pytest.fixture(scope="package")
def browser(outside: Outside) -> Iterator[Browser]:
    """One Chromium process; skips, or fails where it must be there, without Chromium."""
    with chromium.launch(outside) as running:
        yield running


# Sites ask for the browser although they do not use it: without it, nothing is started.


@pytest.fixture(scope="package")
def one_host(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Both services behind one host name, filled."""
    directory = tmp_path_factory.mktemp("one-host")
    with layouts.one_host(directory) as layout:
        yield content.fill(layout, directory)


@pytest.fixture(scope="package")
def two_hosts(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each service behind a host name of its own, filled."""
    directory = tmp_path_factory.mktemp("two-hosts")
    with layouts.two_hosts(directory) as layout:
        yield content.fill(layout, directory)


@pytest.fixture(params=["one_host", "two_hosts"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each layout in turn, for tests that depend on it; others use `one_host`."""
    running: Site = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def tab(browser: Browser, one_host: Site, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab of a fresh profile on the one-host layout."""
    with open_tab(browser, one_host.layout, request.node.name) as opened:
        yield opened


@pytest.fixture
def site_tab(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab of a fresh profile on the layout of this turn."""
    with open_tab(browser, site.layout, request.node.name) as opened:
        yield opened


@pytest.fixture
def filled(one_host: Site) -> Content:
    """What the one-host layout was filled with. Tests that change things make their own."""
    return one_host.content


@pytest.fixture
def client(one_host: Site) -> Iterator[MlflowClient]:
    """The stock client on the one-host layout; the fluent API leads there too."""
    with layouts.client_of(one_host.layout):
        yield MlflowClient(one_host.layout.url)
