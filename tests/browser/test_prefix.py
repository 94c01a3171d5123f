"""The UI below a path of a host that has other things too."""

from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from playwright.sync_api import Browser, expect

from tests.browser import content, layouts
from tests.browser.tab import DOWNLOAD, open_tab

PREFIX = "/tools/mlflow"


def test_pages_and_artifacts_are_below_the_prefix(browser: Browser, tmp_path: Path) -> None:
    # Nobody may frame the UI here; it still frames what is its own.
    with layouts.one_host(tmp_path, PREFIX, "--x-frame-options", "DENY") as layout:
        with layouts.client_of(layout):
            client = MlflowClient(layout.url)
            run_id = client.create_run("0", run_name="below").info.run_id
            client.log_metric(run_id, "loss", 0.5)
            client.log_text(run_id, "hello", "notes.txt")
            client.log_text(run_id, "<script>document.write('drawn')</script>", "chart.html")
            client.log_image(run_id, content.picture(0), key="samples", step=0)
            client.create_registered_model("prefixed")
        with open_tab(browser, layout, "prefix") as tab:
            page, main = tab.page, tab.page.get_by_role("main")
            page.goto(layout.url)  # as people type it, without the slash
            page.get_by_role("link", name="Experiments", exact=True).click()
            main.get_by_role("link", name="Default", exact=True).click()
            main.get_by_role("link", name="below", exact=True).click()
            expect(main.get_by_role("row", name="loss 0.5")).to_be_visible()
            page.get_by_role("tab", name="Model metrics").click()
            expect(main.locator("img").first).not_to_have_js_property("naturalWidth", 0)
            page.get_by_role("tab", name="Artifacts").click()
            main.get_by_text("notes.txt", exact=True).click()
            expect(main.get_by_text("hello", exact=True)).to_be_visible()
            tab.shot("artifact")
            main.get_by_text("chart.html", exact=True).click()
            expect(main.frame_locator("iframe").get_by_text("drawn", exact=True)).to_be_visible()
            main.get_by_text("notes.txt", exact=True).click()
            with page.expect_download() as downloading:
                tab.component(DOWNLOAD).click()
            assert Path(downloading.value.path()).read_text() == "hello"
            tab.open("/models/prefixed")
            expect(main.get_by_role("heading", name="prefixed")).to_be_visible()
            tab.rest()
            urls = [urlsplit(request.url) for request in tab.requests]
            paths = {url.path for url in urls if url.scheme == "http"}
            assert all(path == PREFIX or path.startswith(f"{PREFIX}/") for path in paths), paths
