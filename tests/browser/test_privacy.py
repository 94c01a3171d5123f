"""What pages must never do: call other hosts, or let what was logged act as the person at them."""

import json
import uuid
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, Error, expect

from tests.browser.content import MODEL, PROMPT, Site
from tests.browser.layouts import client_of
from tests.browser.tab import INTRODUCTION, Tab, open_tab

_MAP_TILES = r"https://[abc]\.tile\.openstreetmap\.org/"

# Each attempt would leave a mark that `_marks` finds: a request, an entry in storage, or a title.
_MARK = "fetch('{origin}/canary-{name}');localStorage.setItem('canary','{name}')"
_HOSTILE = """<!doctype html><title>hostile</title><h1>A hostile report</h1>
<script>{inline}</script>
<script src="{origin}/get-artifact?path=hostile/script.js&run_uuid={run}"></script>
<script src="{direct}"></script>
<script type="module" src="{origin}/get-artifact?path=hostile/script.js&run_uuid={run}"></script>
<link rel="stylesheet" href="{origin}/get-artifact?path=hostile/script.js&run_uuid={run}">
<img src="data:," onerror="{onerror}"><svg onload="{onload}"></svg>
<iframe srcdoc="<script>{srcdoc}</script>"></iframe>
<iframe src="{inner}"></iframe>
<iframe src="javascript:{javascript}"></iframe>
<object data="{inner}"></object>
<script>
document.querySelector("h1").append(", running");
const attempts = [
  () => parent.document.title = "canary",
  () => top.document.title = "canary",
  () => top.location = "/canary-top",
  () => document.cookie = "canary=document",
  () => indexedDB.open("canary"),
  () => caches.open("canary"),
  () => navigator.serviceWorker.register("{origin}/canary-service-worker"),
  () => navigator.sendBeacon("{origin}/canary-beacon"),
  () => new Image().src = "{origin}/canary-image",
  () => new WebSocket("{origin}/canary-socket".replace("http", "ws")),
  () => new EventSource("{origin}/canary-events"),
  () => new Worker("{origin}/canary-worker"),
  () => open("{origin}/canary-window"),
  () => new Worker(URL.createObjectURL(new Blob(["fetch('{origin}/canary-in-worker')"]))),
  () => parent.postMessage("tandem-html-artifact", "*"),
  () => {{ const form = document.createElement("form");
    form.action = "{origin}/canary-form"; form.method = "post";
    document.documentElement.append(form); form.submit(); }},
];
for (const attempt of attempts) {{ try {{ attempt(); }} catch (error) {{ console.error(error); }} }}
</script>
<script>setTimeout(() => {{ location = "{origin}/canary-self"; }}, 4000)</script>
<meta http-equiv="refresh" content="5;url={inner}">
"""
_KEPT = "async () => [await indexedDB.databases(), await caches.keys()]"
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_NAMES = ("inline", "onerror", "onload", "srcdoc", "javascript")


def _hostile_run(site: Site) -> tuple[str, str]:
    """The ids of an experiment and its run, whose artifacts try to act in the UI's origin."""
    origin = site.layout.url
    with client_of(site.layout):
        client = MlflowClient(site.layout.url)
        experiment_id = client.create_experiment(f"hostile-{uuid.uuid4().hex[:8]}")
        run_id = client.create_run(experiment_id, run_name="hostile").info.run_id
        marks = {name: _MARK.format(origin=origin, name=name) for name in _NAMES}
        inner = f"{origin}/get-artifact?path=hostile/inner.html&run_uuid={run_id}"
        direct = f"{site.layout.artifacts_url}{_PROXY}/{experiment_id}/{run_id}"
        direct += "/artifacts/hostile/script.js"
        html = _HOSTILE.format(origin=origin, run=run_id, inner=inner, direct=direct, **marks)
        script = _MARK.format(origin=origin, name="script")
        client.log_text(run_id, html, "hostile/report.html")
        client.log_text(run_id, f"<script>{script}</script>", "hostile/inner.html")
        client.log_text(run_id, script, "hostile/script.js")
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{script}</script></svg>'
        client.log_text(run_id, svg, "hostile/picture.svg")
        client.log_text(run_id, f"# Notes\n<script>{script}</script>", "hostile/notes.md")
        client.set_tag(
            run_id, "mlflow.note.content", f"<script>{script}</script><img src=x onerror={script}>"
        )
    return experiment_id, run_id


def _marks(tab: Tab) -> list[str]:
    """What an attempt that worked has left behind, once the page is quiet."""
    tab.settle()
    asked = {each.url for each in tab.requested("/canary-")} - set(tab.blocked)
    stored = tab.page.evaluate("localStorage.getItem('canary')")
    titled = [tab.page.title()] if "canary" in tab.page.title() else []
    return [*asked, *([stored] if stored else []), *titled]


def test_a_hostile_report_cannot_act_in_the_ui(browser: Browser, site: Site) -> None:
    experiment_id, run_id = _hostile_run(site)
    with open_tab(browser, site.layout, f"hostile-{site.layout.name}") as tab:
        page = tab.open(f"/experiments/{experiment_id}/runs/{run_id}/artifacts/hostile")
        tree = page.get_by_role("main").get_by_role("list").first
        tab.settle()  # the page chooses the folder of the address once it has come
        tree.get_by_text("report.html", exact=True).click()
        heading = page.frame_locator("iframe").get_by_role("heading", name="A hostile report")
        expect(heading).to_have_text("A hostile report, running")
        tab.shot("artifact-hostile")
        page.wait_for_timeout(4500)  # it tries to go elsewhere after four seconds
        assert _marks(tab) == []
        assert tab.context.cookies() == []
        assert "canary" not in str(page.evaluate(_KEPT))
        tree.get_by_text("picture.svg", exact=True).click()
        expect(page.get_by_role("img", name="hostile/picture.svg")).to_be_visible()
        tree.get_by_text("notes.md", exact=True).click()
        expect(page.get_by_role("heading", name="Notes")).to_be_visible()
        page.get_by_role("tab", name="Overview").click()
        assert _marks(tab) == []
        refused = "\n".join(tab.errors)
        for name in ("canary-inline", "canary-beacon", "canary-form", "serviceWorker", "caches"):
            assert name in refused, f"{name} was not even tried"
        page.evaluate(_MARK.format(origin=site.layout.url, name="control"))
        assert len(_marks(tab)) == 2, "attempts that work leave no mark"
        tab.errors.clear()
        tab.failures.clear()


def test_an_artifact_opened_as_a_page_is_a_download(browser: Browser, site: Site) -> None:
    experiment_id, run_id = _hostile_run(site)
    direct = f"{_PROXY}/{experiment_id}/{run_id}/artifacts/hostile"
    with open_tab(browser, site.layout, f"direct-{site.layout.name}") as tab:
        page = tab.open("/")
        for name in ("report.html", "picture.svg", "inner.html"):
            for url in (
                f"{site.layout.url}/get-artifact?path=hostile/{name}&run_uuid={run_id}",
                f"{site.layout.artifacts_url}{direct}/{name}",
                f"{site.layout.artifacts_url}{direct.replace('/api/', '/ajax-api/')}/{name}",
            ):
                starts = pytest.raises(Error, match="Download is starting")
                with page.expect_download() as started, starts:
                    page.goto(url)
                assert started.value.suggested_filename == name
        assert _marks(tab) == []


def test_no_page_calls_another_host(browser: Browser, two_hosts: Site) -> None:
    """All pages of the UI, one after the other; other tests watch too, this one misses none."""
    content = two_hosts.content
    experiment = f"/experiments/{content.experiment_id}"
    run = f"{experiment}/runs/{content.showcase}"
    runs = quote(json.dumps(content.trials()))
    ids = quote(json.dumps([content.experiment_id]))
    addresses = [
        "/",
        "/experiments",
        f"{experiment}/runs",
        f"{experiment}/runs?compareRunsMode=CHART",
        f"{experiment}/models",
        f"{experiment}/models/{content.model_id}",
        f"{experiment}/models/{content.model_id}/traces",
        f"{experiment}/models/{content.model_id}/artifacts",
        f"{experiment}/traces",
        f"{experiment}/overview/usage?workflowType=genai",
        f"{experiment}/prompts?workflowType=genai",
        run,
        f"{run}/model-metrics",
        f"{run}/system-metrics",
        f"{run}/traces",
        f"{run}/artifacts/html/report.html",
        f"/compare-runs?runs={runs}&experiments={ids}",
        "/models",
        f"/models/{MODEL}",
        f"/models/{MODEL}/versions/1",
        "/prompts",
        f"/prompts/{PROMPT}",
        "/settings/general",
    ]
    with open_tab(browser, two_hosts.layout, "all-pages") as tab:
        tab.expect_blocked(INTRODUCTION)
        for number, address in enumerate(addresses):
            page = tab.open(address)
            expect(page.get_by_role("main")).not_to_be_empty()
            tab.rest()
            tab.shot(f"page-{number:02}")
        assert tab.hosts == two_hosts.layout.hosts, "no file came from the artifacts host"


def test_a_map_is_shown_without_asking_for_tiles(site_tab: Tab, site: Site) -> None:
    content = site.content
    site_tab.expect_blocked(_MAP_TILES)
    page = site_tab.open(f"/experiments/{content.experiment_id}/runs/{content.showcase}/artifacts")
    tree = page.get_by_role("main").get_by_role("list").first
    tree.get_by_text("map", exact=True).click()
    tree.get_by_text("place.geojson", exact=True).click()
    expect(page.locator(".leaflet-container path.leaflet-interactive")).to_be_visible()
    site_tab.settle()
    site_tab.shot("artifact-map")
    assert any("openstreetmap" in url for url in site_tab.blocked), "the map wanted no tiles"
