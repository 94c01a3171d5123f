"""A browser tab that remembers all that went wrong in it."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
)
from playwright.sync_api import TimeoutError as TimeIsUp

from tests.browser.layouts import Layout

SCREENSHOTS = Path(__file__).resolve().parents[2] / ".cache" / "screenshots"
SIZE = (1440, 900)
INTRODUCTION = r"https://mlflow\.org/.*\.mp4"
"""The film that empty pages of traces would fetch from MLflow's host; their policy blocks it."""
DOWNLOAD = "codegen_mlflow_app_src_experiment-tracking_components_artifactview.tsx_337"
"""The component id of the button beside a preview."""
_TIMEOUT = 60_000  # two cores, two servers, a proxy and a browser share the machine
expect.set_options(timeout=_TIMEOUT)
_QUIET = 6  # looks, 50 ms apart
_LOCAL_SCHEMES = ("data", "blob", "about")


@dataclass(frozen=True)
class Expected:
    """An answer 4xx that belongs to the UI's design."""

    status: int
    path: re.Pattern[str]
    reason: str


ALWAYS_EXPECTED = (
    Expected(404, re.compile(r"/mlflow/users/current$"), "no accounts: the account menu hides"),
    Expected(404, re.compile(r"/mlflow/assistant/"), "no assistant: it hides"),
)
"""What every page asks for and must be told is not there."""

HARMLESS = "ResizeObserver loop completed with undelivered notifications."
"""Not an error: the browser lays the page out once more in its next frame."""

# Reports each red message once, while it shows: toasts are gone again before a test could look.
_WATCH_ALERTS = """
(() => {
  const selector = %s;
  const seen = new WeakSet();
  let waiting = false;
  const look = () => {
    waiting = false;
    for (const element of document.querySelectorAll(selector)) {
      if (!seen.has(element) && element.innerText.trim()) {
        seen.add(element);
        window.reportAlert(element.innerText.trim());
      }
    }
  };
  const lookSoon = () => {
    if (!waiting) {
      waiting = true;
      setTimeout(look, 100);
    }
  };
  new MutationObserver(lookSoon).observe(document, {childList: true, subtree: true});
})();
"""
# Skeletons and spinners of any kind move for ever. Charts that one would have to scroll to do so
# until one does.
_MOVING = """
() => document.getAnimations().filter(each => {
  const timing = each.effect.getComputedTiming();
  const target = each.effect.target;
  const {top, bottom} = target.getBoundingClientRect();
  return timing.iterations === Infinity && target.closest("main") && target.checkVisibility()
    && bottom > 0 && top < window.innerHeight;
}).map(each => each.effect.target.outerHTML.slice(0, 300))
"""
_ALERTS = ("[class*='notification-notice-error']", "[class*='notification-notice'] .anticon-error")


class Tab:
    """One page of a fresh browser profile, and what it did.

    `page` is Playwright's. Everything wrong that the page, its frames and workers do is collected:
    `check()` fails for it, and runs at the end of each test.
    """

    def __init__(self, context: BrowserContext, layout: Layout) -> None:
        self.layout = layout
        self.requests: list[Request] = []
        self.errors: list[str] = []
        """Console errors and uncaught exceptions."""
        self.failures: list[str] = []
        """Requests without answer, and answers from 400 on that nobody expects."""
        self.alerts: list[str] = []
        """Texts of red messages that showed up."""
        self.blocked: list[str] = []
        """URLs that the page asked for and its Content-Security-Policy kept from leaving."""
        self._unanswered: set[Request] = set()
        self._expected = list(ALWAYS_EXPECTED)
        self._expected_blocks: list[re.Pattern[str]] = []
        self._expected_hosts: set[str] = set()
        self.context = context
        context.set_default_timeout(_TIMEOUT)
        context.on("request", self._on_request)
        context.on("requestfinished", self._on_end)
        context.on("requestfailed", self._on_failure)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.expose_function("reportAlert", lambda text: self.alerts.append(text))
        context.add_init_script(_WATCH_ALERTS % repr(", ".join(_ALERTS)))
        self.page: Page = context.new_page()

    def expect(self, status: int, path: str, reason: str) -> None:
        """Take answers of this status, at paths that the pattern finds, for the UI's design."""
        self._expected.append(Expected(status, re.compile(path), reason))

    def expect_blocked(self, url: str) -> None:
        """Take it for right that the page's policy blocks requests to URLs the pattern finds."""
        self._expected_blocks.append(re.compile(url))

    def expect_host(self, host: str) -> None:
        """Take it for right that the page calls this `host:port` besides the layout's."""
        self._expected_hosts.add(host)

    def open(self, address: str = "/") -> Page:
        """Go to a page of the UI by what its address has after the `#`, as a person by a link."""
        self.page.goto(f"{self.layout.url}/#{address}")
        return self.page

    def component(self, name: str) -> Locator:
        """The elements that the UI itself names so, by `data-component-id`."""
        return self.page.locator(f'[data-component-id="{name}"]')

    @property
    def hosts(self) -> set[str]:
        """`host:port` of all requests so far but the blocked ones."""
        urls = {request.url for request in self.requests} - set(self.blocked)
        parts = [urlsplit(url) for url in urls]
        return {
            each.netloc.rpartition("@")[2] for each in parts if each.scheme not in _LOCAL_SCHEMES
        }

    def requested(self, path: str) -> list[Request]:
        """Requests so far whose URL the pattern finds."""
        return [request for request in self.requests if re.search(path, request.url)]

    def shot(self, name: str, **options: Any) -> Path:
        """Keep a screenshot of the page as it shows now."""
        path = SCREENSHOTS / self.layout.name / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled", **options)
        return path

    def check(self) -> None:
        """Fail for console errors, failed requests, red messages and requests to other hosts."""
        assert not self.failures, "requests failed:\n" + "\n".join(self.failures)
        assert not self.errors, "the console shows errors:\n" + "\n".join(self.errors)
        assert not self.alerts, "the page showed red messages:\n" + "\n".join(self.alerts)
        foreign = self.hosts - self.layout.hosts - self._expected_hosts
        assert not foreign, f"the page called other hosts: {foreign}"

    def settle(self, seconds: float = 10) -> None:
        """Wait until the page has asked for nothing for a while; at most the seconds."""
        quiet, deadline = 0, time.monotonic() + seconds
        while quiet < _QUIET and time.monotonic() < deadline:
            self.page.wait_for_timeout(50)
            quiet = 0 if self._unanswered else quiet + 1

    def rest(self) -> None:
        """Wait until the page asks for nothing more and nothing on it moves: it shows what it has.

        Fails when it never does.
        """
        self.settle()
        try:
            self.page.wait_for_function(f"({_MOVING})().length === 0", polling=100)
        except TimeIsUp:
            moving = "\n".join(self.page.evaluate(_MOVING))
            raise AssertionError(f"{self.page.url} never comes to rest:\n{moving}") from None
        self.settle()

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)
        if urlsplit(request.url).scheme not in _LOCAL_SCHEMES:
            self._unanswered.add(request)

    def _on_end(self, request: Request) -> None:
        self._unanswered.discard(request)

    def _on_failure(self, request: Request) -> None:
        self._on_end(request)
        if request.failure == "csp":
            self.blocked.append(request.url)
            if any(each.search(request.url) for each in self._expected_blocks):
                return
        # A page that is left, and a query that is typed on, abort what they no longer need.
        if request.failure != "net::ERR_ABORTED":
            self.failures.append(f"{request.method} {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status < 400:
            return
        path = urlsplit(response.url).path
        for each in self._expected:
            if response.status == each.status and each.path.search(path):
                return
        self.failures.append(f"{response.request.method} {response.url}: {response.status}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type != "error" or HARMLESS in message.text:
            return
        url = message.location["url"]
        if message.text.startswith("Failed to load resource"):
            path = urlsplit(url).path
            if any(each.path.search(path) for each in self._expected):
                return
        if "Content Security Policy" in message.text:
            if any(each.search(message.text) for each in self._expected_blocks):
                return
        self.errors.append(f"{message.text} ({url})")


@contextmanager
def open_tab(
    browser: Browser, layout: Layout, test: str, *, sign_in: tuple[str, str] | None = None
) -> Iterator[Tab]:
    """A tab of a fresh profile; at the end a screenshot is kept, and it must have been clean.

    With `sign_in`, the browser answers by this name and password when it is asked for them.
    """
    width, height = SIZE
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale="en-GB",
        timezone_id="UTC",
        http_credentials={"username": sign_in[0], "password": sign_in[1]} if sign_in else None,
    )
    tab = Tab(context, layout)
    try:
        yield tab
        tab.shot(f"at-end-of-{re.sub(r'[^a-zA-Z0-9-]+', '-', test).strip('-')}")
        tab.check()
    finally:
        context.close()
