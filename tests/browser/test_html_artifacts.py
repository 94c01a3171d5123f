"""HTML artifacts that draw by scripts: shown, and kept from hosts that no setting names."""

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mlflow import MlflowClient
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.content import Site
from tests.browser.layouts import LIBRARIES, client_of
from tests.browser.tab import Tab, open_tab

# What the files of Plotly, Bokeh, Altair and profilers do: inline scripts and handlers, code that
# is compiled, pictures and styles of their own, workers from blobs, frames within.
CHART = """<!doctype html><html><head><style>.bar { fill: teal }</style>
<script>window.draw = new Function("svg", "n", `svg.innerHTML +=
  '<rect class="bar" x="' + n * 40 + '" y="' + (150 - n * 30) + '" width="30" height="200"/>'`)
</script></head><body onload="document.getElementById('loaded').textContent = 'handler ran'">
<h1>A chart</h1><p id="loaded"></p><p id="worked"></p><p id="mode"></p>
<svg id="chart" width="400" height="200"></svg>
<img id="dot" src="data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=">
<iframe id="within" srcdoc="<p id=p></p><script>p.textContent = 'a frame within'</script>"></iframe>
<script>
  for (let n = 0; n < 5; n++) draw(document.getElementById("chart"), n);
  document.getElementById("mode").textContent = document.compatMode;
  const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(6 * 7)"])));
  worker.onmessage = event => {
    document.getElementById("worked").textContent = "worker said " + event.data;
  };
</script></body></html>
"""
FROM_ANOTHER_HOST = """<h1>A plot</h1><img src="plot.png"><div id="plot">no plot yet</div>
<script src="{library}"></script><script>Library.draw("plot")</script>
<p><a href="https://docs.example.com/help">Help</a> <a href="#end">The end</a></p><p id="end"></p>
"""
LIBRARY = b"""window.Library = {draw: id => {
  document.getElementById(id).textContent = "drawn by a library";
  fetch(document.scripts[0].src + "?data").then(answer => answer.text()).then(text => {
    document.getElementById(id).textContent += " and its data";
  });
}};
"""
# All that connects, and may go unseen by a Content-Security-Policy. The frame moves on at the end.
CALLS = """<h1>Calls</h1>
<link rel="preconnect" href="https://preconnect.example.com">
<link rel="dns-prefetch" href="https://dns-prefetch.example.com">
<link rel="prefetch" href="https://prefetch.example.com">
<style>@import "https://import.example.com"; h1 { background: url(https://css.example.com) }</style>
<video poster="https://poster.example.com" src="https://video.example.com"></video>
<iframe src="https://frame.example.com"></iframe>
<iframe srcdoc="<script>location = 'https://within.example.com'</script>"></iframe>
<iframe src="data:text/html,<script>location = 'https://data.example.com'</script>"></iframe>
<script type="speculationrules">
{"prefetch": [{"urls": ["https://speculation.example.com"], "eagerness": "immediate"}]}</script>
<script>
const peer = new RTCPeerConnection({iceServers: [{urls: "stun:127.0.0.1:PORT"}]});
peer.createDataChannel("data");
peer.createOffer().then(offer => peer.setLocalDescription(offer));
fetch("https://fetch.example.com").catch(() => 0);
navigator.sendBeacon("https://beacon.example.com");
new WebSocket("wss://socket.example.com");
document.querySelector("h1").append(", made");
setTimeout(() => { location = "https://location.example.com"; }, 4000);
</script>
"""


def _show(tab: Tab, html: str) -> Page:
    """The page of a run whose only artifact is this."""
    with client_of(tab.layout):
        client = MlflowClient(tab.layout.url)
        experiment_id = client.create_experiment(f"reports-{uuid.uuid4().hex[:8]}")
        run_id = client.create_run(experiment_id).info.run_id
        client.log_text(run_id, html, "report.html")
    return tab.open(f"/experiments/{experiment_id}/runs/{run_id}/artifacts/report.html")


def _preview(page: Page) -> FrameLocator:
    return page.get_by_role("main").frame_locator("iframe.mlflow-html-iframe")


def _is_drawn(frame: FrameLocator) -> None:
    expect(frame.locator("#chart rect")).to_have_count(5)
    expect(frame.locator("#loaded")).to_have_text("handler ran")
    expect(frame.locator("#worked")).to_have_text("worker said 42")
    expect(frame.locator("#mode")).to_have_text("CSS1Compat")
    expect(frame.locator("#dot")).to_have_js_property("naturalWidth", 1)
    expect(frame.frame_locator("#within").locator("p")).to_have_text("a frame within")
    expect(frame.get_by_role("status")).to_have_count(0)


def test_a_report_draws_by_its_own_scripts(site_tab: Tab) -> None:
    page = _show(site_tab, CHART)
    _is_drawn(_preview(page))
    site_tab.shot("artifact-chart")


def test_what_a_report_was_kept_from_is_said_below_it(tab: Tab) -> None:
    tab.expect_blocked("https://cdn.example.com/plot.js")
    tab.expect_blocked("/static-files/plot.png")
    page = _show(tab, FROM_ANOTHER_HOST.format(library="https://cdn.example.com/plot.js"))
    frame = _preview(page)
    notice = frame.get_by_role("status")
    expect(notice).to_contain_text("cdn.example.com")
    expect(notice).to_contain_text("files beside it")
    expect(notice).to_contain_text("--html-artifact-hosts")
    tab.settle()
    tab.shot("artifact-kept-from-a-host")
    notice.get_by_role("button", name="Close").click()
    expect(notice).to_be_hidden()
    frame.get_by_role("link", name="The end").click()
    expect(notice).to_be_hidden()
    frame.get_by_role("link", name="Help").click()
    expect(notice).to_contain_text("https://docs.example.com/help")
    assert [each for each in tab.errors if "Library is not defined" not in each] == []
    tab.errors.clear()


def test_a_host_that_the_setting_names_may_be_loaded_from(
    browser: Browser, two_hosts: Site
) -> None:
    with open_tab(browser, two_hosts.layout, "libraries") as tab, _library() as port:
        tab.expect_host(f"{LIBRARIES}:{port}")
        tab.expect_blocked("/static-files/plot.png")
        library = f"http://{LIBRARIES}:{port}/moved"
        frame = _preview(_show(tab, FROM_ANOTHER_HOST.format(library=library)))
        expect(frame.locator("#plot")).to_have_text("drawn by a library and its data")
        tab.settle()
        tab.shot("artifact-with-a-library")


def test_a_report_calls_nobody_by_any_way(browser: Browser, site: Site) -> None:
    """Whom it calls by TCP the browser's network shows, at the end of all tests."""
    with (
        open_tab(browser, site.layout, f"calls-{site.layout.name}") as tab,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun,
    ):
        stun.bind(("127.0.0.1", 0))
        stun.setblocking(False)
        page = _show(tab, CALLS.replace("PORT", str(stun.getsockname()[1])))
        heading = _preview(page).get_by_role("heading", name="Calls")
        expect(heading).to_have_text("Calls, made")
        page.wait_for_timeout(5000)  # it goes elsewhere after four seconds
        tab.settle()
        try:
            received = stun.recv(2048)
        except BlockingIOError:
            received = b""
        assert received == b""
        tab.failures.clear()
        tab.errors.clear()


class _Library(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The library, which has moved, as those without a version in their address do."""
        moved = self.path == "/moved"
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", "/library.js")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(0 if moved else len(LIBRARY)))
        self.end_headers()
        if not moved:
            self.wfile.write(LIBRARY)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def _library() -> Iterator[int]:
    """A server of a library at this port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Library) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
