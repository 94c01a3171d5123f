"""All other pages that the navigation offers: they open, come to rest, and say what there is.

What Tandem does not have is hidden where the UI has a switch for it, and empty where it has none.
"""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.content import EXPERIMENT, SHOWCASE, Content
from tests.browser.tab import INTRODUCTION, Tab

ABSENT = "**/tandem-absent.js"

IN_EXPERIMENTS = {
    "Overview": "No data available for the selected time range",
    "Training runs": SHOWCASE,
    "Traces": "Start tracing your LLM application",
    "Sessions": "The Sessions view has moved to the Traces tab.",
    "Review": "Set up human review for your traces",
    "Datasets": "Create an evaluation dataset",
    "Evaluation runs": "Evaluation runs",
    "Prompts": "Name",
    "Agent versions": "classifier",
}
"""What the side bar offers in an experiment in GenAI mode, and what the page then shows."""

BY_ADDRESS = {
    "judges": "Create and manage judges",
    "playground": "Type a message",
    "overview/quality": "Monitor quality metrics from scorers",
    "overview/tool-calls": "No data available for the selected time range",
}
"""Pages of an experiment that the side bar does not offer, but links may lead to."""


def links(page: Page) -> Locator:
    """The pages that the side bar offers."""
    return page.get_by_role("complementary").get_by_role("navigation").get_by_role("link")


def follow(tab: Tab, name: str) -> None:
    """Click a link of the side bar."""
    links(tab.page).filter(has_text=re.compile(f"^{name}")).click()


def is_empty_but_well(tab: Tab, text: str) -> None:
    expect(tab.page.get_by_role("main").get_by_text(text).first).to_be_visible()
    tab.rest()


def test_the_home_page(tab: Tab, filled: Content) -> None:
    page = tab.open("/")
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name="Welcome to MLflow")).to_be_visible()
    expect(main.get_by_role("heading", name="Recent Experiments")).to_be_visible()
    expect(main.get_by_role("row").nth(1)).to_be_visible()
    tab.rest()
    expect(links(page)).to_have_text(["Home", "Experiments", "Model registry", "Docs", "Settings"])
    tab.shot("home")
    main.get_by_role("link", name="View all").click()
    expect(main.get_by_role("heading", name="Experiments")).to_be_visible()


def offers(tab: Tab, filled: Content) -> dict[str, bool]:
    """Which of the things that Tandem does not have the pages offer here, at a local address."""
    page, main = tab.page, tab.page.get_by_role("main")
    found = {}
    tab.open("/")
    expect(main.get_by_role("heading", name="Recent Experiments")).to_be_visible()
    tab.settle()
    found["demo"] = main.get_by_role("button", name="Start Demo").is_visible()
    found["assistant"] = page.locator("[data-assistant-ui]").first.is_visible()
    tab.open("/settings/general")
    expect(main.get_by_role("heading", name="General")).to_be_visible()
    tab.settle()
    found["demo data"] = main.get_by_text("Demo data", exact=True).is_visible()
    tab.open(f"/experiments/{filled.experiment_id}/traces")
    expect(main.get_by_role("tab", name="Manual setup")).to_be_visible()
    found["assistant for traces"] = main.get_by_role("tab", name="MLflow assistant").is_visible()
    return found


def test_what_does_nothing_is_not_offered(tab: Tab, filled: Content) -> None:
    tab.expect_blocked(INTRODUCTION)
    assert offers(tab, filled) == dict.fromkeys(
        ("demo", "assistant", "demo data", "assistant for traces"), False
    )
    tab.page.route(ABSENT, lambda route: route.fulfill(body="", content_type="text/javascript"))
    tab.page.reload()
    assert all(offers(tab, filled).values()), "there is nothing to hide"


def test_a_key_for_language_models_is_refused_with_a_reason(tab: Tab) -> None:
    tab.expect(501, "/gateway/supported-providers$", "there is no gateway")
    page = tab.open("/settings/llm-connections")
    page.get_by_role("main").get_by_role("button", name="Create").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Tandem is no gateway to language models.")).to_be_visible()
    expect(dialog.get_by_text("Loading providers...")).to_be_hidden()
    tab.shot("refused-key")


def test_the_side_bar_of_generative_models(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_role("button", name="GenAI").click()
    expect(links(page)).to_have_text(
        ["Home", "Experiments", "Prompts", re.compile("MCP registry"), "Docs", "Settings"]
    )
    expect(page.get_by_text("AI Gateway").filter(visible=True)).to_have_count(0)
    follow(tab, "MCP registry")
    is_empty_but_well(tab, "Create MCP server")
    tab.shot("mcp-registry")
    follow(tab, "Experiments")
    page.get_by_role("link", name=EXPERIMENT, exact=True).click()
    is_empty_but_well(tab, IN_EXPERIMENTS["Overview"])
    page.get_by_role("button", name="Model training").click()
    follow(tab, "Runs")
    is_empty_but_well(tab, SHOWCASE)


def test_the_pages_of_an_experiment_of_generative_models(tab: Tab, filled: Content) -> None:
    tab.expect_blocked(INTRODUCTION)
    page = tab.open(f"/experiments/{filled.experiment_id}?workflowType=genai")
    expect(links(page)).to_have_text([EXPERIMENT, *IN_EXPERIMENTS, "Docs", "Settings"])
    for name, text in IN_EXPERIMENTS.items():
        follow(tab, name)
        expect(page.get_by_role("main").get_by_text(text).first).to_be_visible()
        tab.settle()
        if name != "Sessions":  # its drawing moves for ever
            tab.rest()
        tab.shot(f"genai-{name.lower().replace(' ', '-')}")


def test_pages_that_nothing_leads_to(tab: Tab, filled: Content) -> None:
    for address, text in BY_ADDRESS.items():
        page = tab.open(f"/experiments/{filled.experiment_id}/{address}?workflowType=genai")
        found = page.get_by_role("main")
        expect(found.get_by_text(text).or_(found.get_by_placeholder(text)).first).to_be_visible()
        tab.rest()
    page = tab.open("/gateway")
    expect(page.get_by_text("Page Not Found")).to_be_visible()


def test_traces_of_a_run_and_of_an_experiment(tab: Tab, filled: Content) -> None:
    tab.expect_blocked(INTRODUCTION)
    page = tab.open(f"/experiments/{filled.experiment_id}/runs")
    follow(tab, "Traces")
    is_empty_but_well(tab, "Start tracing your LLM application")
    expect(page.get_by_text("Detect Issues")).to_be_hidden()
    tab.shot("traces")
    tab.open(f"/experiments/{filled.experiment_id}/runs/{filled.showcase}/traces")
    is_empty_but_well(tab, "No traces found")


def test_the_settings(tab: Tab) -> None:
    page = tab.open("/")
    follow(tab, "Settings")
    main = page.get_by_role("main")
    expect(main.get_by_role("heading", name="General")).to_be_visible()
    expect(links(page)).to_have_text(["Settings", "General", "LLM Connections", "Webhooks", "Docs"])
    switch = main.get_by_role("switch", name="Light")
    switch.click()
    expect(main.get_by_role("switch", name="Dark")).to_be_visible()
    expect(page.locator("body")).to_have_css("background-color", re.compile(r"rgb\((\d\d?), "))
    tab.shot("settings-dark")
    follow(tab, "LLM Connections")
    is_empty_but_well(tab, "No API keys created")
    follow(tab, "Webhooks")
    is_empty_but_well(tab, "No webhooks configured.")
    follow(tab, "Settings")
    expect(main.get_by_role("heading", name="Welcome to MLflow")).to_be_visible()


def test_experiments_and_runs_that_are_not_there(tab: Tab, filled: Content) -> None:
    page = tab.open("/experiments/777")
    expect(page.get_by_text("Experiment load error")).to_be_visible()
    tab.rest()
    page = tab.open(f"/experiments/{filled.experiment_id}/runs/nothing")
    expect(page.get_by_text("Run ID nothing does not exist")).to_be_visible()
    tab.rest()
    page = tab.open("/nowhere")
    expect(page.get_by_text("Page Not Found")).to_be_visible()
    page.get_by_role("link", name="the home page.").click()
    expect(page.get_by_role("heading", name="Welcome to MLflow")).to_be_visible()
