"""Charts of several runs, and runs side by side."""

import json
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect

from tests.browser.content import CROWD_SIZE, TRIALS, Content, Site
from tests.browser.tab import Tab


def _card(page: Page, name: str) -> Locator:
    heading = page.get_by_role("heading", name=name, exact=True)
    return page.get_by_test_id("experiment-view-compare-runs-card").filter(has=heading)


def _expect_lines(card: Locator, count: int) -> None:
    """Plotly draws each line twice: as it is, and smoothed."""
    expect(card.locator(".scatterlayer .trace .js-line")).to_have_count(2 * count)


def _charts(tab: Tab, filled: Content) -> Page:
    search = quote('tags.size != "none"')
    return tab.open(
        f"/experiments/{filled.experiment_id}/runs?compareRunsMode=CHART&searchFilter={search}"
    )


def test_each_metric_of_the_runs_is_charted(tab: Tab, filled: Content) -> None:
    page = _charts(tab, filled)
    for metric in ("loss", "val/accuracy"):
        card = _card(page, metric)
        card.scroll_into_view_if_needed()
        _expect_lines(card, len(TRIALS))
        for name in TRIALS:
            expect(card.get_by_text(f"{name} ({metric})")).to_be_visible()
    tab.shot("charts")


def test_zooming_in_asks_for_that_interval(tab: Tab, filled: Content) -> None:
    page = _charts(tab, filled)
    card = _card(page, "val/accuracy")
    _expect_lines(card, len(TRIALS))
    drag = card.locator(".nsewdrag")
    box = drag.bounding_box()
    assert box is not None
    with page.expect_response(lambda answer: "start_step=" in answer.url) as found:
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
        page.mouse.up()
    steps = {metric["step"] for metric in found.value.json()["metrics"]}
    assert steps
    assert 30 < min(steps) < max(steps) < 150
    _expect_lines(card, len(TRIALS))
    tab.shot("charts-zoomed")


def test_runs_are_compared(tab: Tab, filled: Content) -> None:
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    for name in TRIALS[:2]:
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
        row.get_by_role("checkbox", name="Press Space").check()
    page.get_by_role("button", name="Compare").click()
    main = page.get_by_role("main")
    heading = main.get_by_role("heading", name="Comparing 2 Runs from 1 Experiment")
    expect(heading).to_be_visible()
    expect(main.get_by_role("row", name="depth")).to_contain_text("12")
    # The one plot that needs WebGL and functions made of text.
    expect(main.get_by_text("WebGL is not supported")).to_have_count(0)
    expect(main.locator("canvas.gl-canvas-focus")).to_be_visible()
    tab.shot("compare")
    for kind in ("Scatter Plot", "Box Plot", "Contour Plot"):
        main.get_by_role("tab", name=kind).click()
        expect(main.get_by_role("tabpanel", name=kind)).to_be_visible()
        tab.shot(f"compare-{kind.split()[0].lower()}")


def test_the_page_of_a_metric_shows_every_point(tab: Tab, filled: Content) -> None:
    runs = filled.trials()[:2]
    address = (
        f"/metric?runs={quote(json.dumps(runs))}&metric={quote(json.dumps('val/accuracy'))}"
        f"&experiments={quote(json.dumps([filled.experiment_id]))}"
        f"&plot_metric_keys={quote(json.dumps(['val/accuracy']))}"
    )
    page = tab.open(address)
    main = page.get_by_role("main")
    _expect_lines(_card(page, "val/accuracy"), 2)
    for name in TRIALS[:2]:
        expect(main.get_by_role("row").filter(has_text=name)).to_contain_text("(step=199)")
    main.get_by_text("Time (Relative)").click()
    _expect_lines(_card(page, "val/accuracy"), 2)
    tab.shot("metric")


def test_experiments_are_compared(tab: Tab, filled: Content) -> None:
    ids = quote(json.dumps([filled.experiment_id, filled.crowd_id]))
    page = tab.open(f"/compare-experiments/s?experiments={ids}")
    expect(page.get_by_text("Displaying Runs from 2 Experiments")).to_be_visible()
    expect(page.get_by_role("link", name=f"member-{CROWD_SIZE - 1}")).to_be_visible()
    expect(page.get_by_role("button", name="Load more")).to_be_attached()
    tab.shot("compare-experiments")


def test_tables_of_runs_are_side_by_side(site_tab: Tab, site: Site) -> None:
    page = site_tab.open(f"/experiments/{site.content.experiment_id}/runs?compareRunsMode=ARTIFACT")
    page.get_by_test_id("dropdown-tables").click()
    page.get_by_role("option", name="answers.json").click()
    expect(page.get_by_text("first")).to_be_visible()
    site_tab.shot("runs-artifact-view")
