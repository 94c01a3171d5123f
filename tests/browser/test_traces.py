"""The pages of traces: the list, the tree of spans, searches, sessions, comparison and deletion."""

import re
from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import SpanType
from playwright.sync_api import Locator, expect

from tests.browser import layouts
from tests.browser.content import Site
from tests.browser.tab import Tab

COUNT = 30
"""More than a page of the list has."""
PAGE = 25
FAILING = 29
SEARCH = "Search traces by id, input, or output"


@pytest.fixture(scope="module")
def traced(one_host: Site) -> Iterator[str]:
    """An experiment with traces of five sessions, the last of which failed."""
    with layouts.client_of(one_host.layout):
        experiment_id = MlflowClient().create_experiment("agents")
        mlflow.set_experiment(experiment_id=experiment_id)
        for number in range(COUNT):
            _ask(number)
        mlflow.flush_trace_async_logging()
        yield experiment_id


def _ask(number: int) -> None:
    try:
        _agent(f"question {number}", f"session-{number % 5}")
    except ValueError:
        assert number == FAILING


@mlflow.trace(name="agent", span_type=SpanType.AGENT)
def _agent(question: str, session: str) -> str:
    metadata = {"mlflow.trace.session": session, "mlflow.trace.user": "maria"}
    mlflow.update_current_trace(metadata=metadata, tags={"env": "prod"})
    with mlflow.start_span(name="search", span_type=SpanType.RETRIEVER) as span:
        span.set_inputs({"query": question})
        span.set_outputs([{"page_content": "a page", "metadata": {}}])
    with mlflow.start_span(name="model", span_type=SpanType.CHAT_MODEL) as span:
        span.set_inputs({"messages": [{"role": "user", "content": question}]})
        span.set_attribute("model", "m-1")
        usage = {"input_tokens": 30, "output_tokens": 12, "total_tokens": 42}
        span.set_attribute("mlflow.chat.tokenUsage", usage)
        span.set_outputs({"choices": [{"message": {"role": "assistant", "content": "naïve"}}]})
    if question.endswith(str(FAILING)):
        raise ValueError("no such page")
    return f"answer to {question}"


def _list(tab: Tab, experiment_id: str) -> Locator:
    """The list of traces, at rest."""
    main = tab.open(f"/experiments/{experiment_id}/traces").get_by_role("main")
    expect(_row(main, FAILING)).to_be_visible()
    tab.rest()
    return main


def _row(main: Locator, number: int) -> Locator:
    return main.get_by_role("row").filter(has_text=re.compile(rf'"question {number}"'))


def _rows(main: Locator) -> Locator:
    return main.get_by_role("row").filter(has_text="question")


def test_the_list_of_traces_has_pages(tab: Tab, traced: str) -> None:
    main = _list(tab, traced)
    expect(_rows(main)).to_have_count(PAGE)
    for text in ("answer to question 28", "session-3", "OK", "42"):
        expect(_row(main, 28).get_by_text(text, exact=False).first).to_be_visible()
    expect(_row(main, FAILING).get_by_text("Error", exact=False).first).to_be_visible()
    tab.shot("traces-list")
    main.get_by_role("button", name="Next page").click()
    expect(_row(main, 0)).to_be_visible()
    expect(_rows(main)).to_have_count(COUNT - PAGE)


def test_a_text_in_any_span_finds_traces(tab: Tab, traced: str) -> None:
    main = _list(tab, traced)
    box = main.get_by_placeholder(SEARCH)
    for text, number in (("QUESTION 13", 13), ("no such page", FAILING)):
        box.fill(text)
        box.press("Enter")
        expect(_rows(main)).to_have_count(1)
        expect(_row(main, number)).to_be_visible()
    tab.rest()
    tab.shot("traces-found")
    box.fill("nowhere")
    box.press("Enter")
    expect(_rows(main)).to_have_count(0)


def test_a_trace_opens_as_a_tree_of_spans(tab: Tab, traced: str) -> None:
    main = _list(tab, traced)
    _row(main, 12).get_by_text('"question 12"').first.click()
    drawer = tab.page.get_by_role("dialog")
    for name in ("agent", "search", "model"):
        expect(drawer.get_by_text(name, exact=True).first).to_be_visible()
    expect(drawer.get_by_text("answer to question 12")).to_be_visible()
    expect(drawer.get_by_text("42 tokens")).to_be_visible()
    tab.rest()
    tab.shot("trace-drawer")
    drawer.get_by_text("model", exact=True).first.click()
    expect(drawer.get_by_text("naïve").first).to_be_visible()
    drawer.get_by_text("Attributes", exact=True).click()
    expect(drawer.get_by_text("m-1").first).to_be_visible()
    tab.rest()
    tab.shot("trace-attributes")


def test_a_failed_trace_shows_its_exception(tab: Tab, traced: str) -> None:
    main = _list(tab, traced)
    _row(main, FAILING).get_by_text(f'"question {FAILING}"').first.click()
    drawer = tab.page.get_by_role("dialog")
    expect(drawer.get_by_text("no such page").first).to_be_visible()
    tab.rest()
    tab.shot("trace-failed")


def test_traces_are_grouped_by_session_and_a_session_opens(tab: Tab, traced: str) -> None:
    main = _list(tab, traced)
    main.get_by_role("button", name="Group traces by session").click()
    for number in range(5):
        expect(main.get_by_text(f"session-{number}", exact=True).first).to_be_visible()
    tab.rest()
    tab.shot("traces-by-session")
    tab.open(f"/experiments/{traced}/chat-sessions/session-3")
    for number in (3, 8, 28):
        expect(main.get_by_text(f"answer to question {number}").first).to_be_visible()
    tab.rest()
    tab.shot("session")


def test_traces_are_compared(tab: Tab, traced: str) -> None:
    main = _list(tab, traced)
    for number in (20, 21):
        _row(main, number).get_by_role("checkbox").check()
    tab.page.get_by_role("button", name="Actions for selected traces").click()
    tab.page.get_by_role("menuitem", name="Compare").click()
    for number in (20, 21):
        expect(tab.page.get_by_text(f"answer to question {number}").last).to_be_visible()
    tab.rest()
    tab.shot("traces-compared")


def test_people_delete_several_traces_and_one(
    tab: Tab, client: MlflowClient, one_host: Site
) -> None:
    experiment_id = client.create_experiment("to delete")
    mlflow.set_experiment(experiment_id=experiment_id)
    for number in range(25, 29):
        _agent(f"question {number}", "s")
    mlflow.flush_trace_async_logging()
    main = tab.open(f"/experiments/{experiment_id}/traces").get_by_role("main")
    _delete(tab, 25, 26)
    expect(_rows(main)).to_have_count(2)
    _delete(tab, 28)
    expect(_rows(main)).to_have_count(1)
    expect(_row(main, 27)).to_be_visible()
    tab.rest()
    tab.shot("traces-deleted")
    tab.page.reload()
    expect(_row(main, 27)).to_be_visible()
    expect(_rows(main)).to_have_count(1)
    [left] = client.search_traces(locations=[experiment_id])
    assert left.info.request_preview == '{"question": "question 27", "session": "s"}'


def _delete(tab: Tab, *numbers: int) -> None:
    """Delete traces of the open list."""
    for number in numbers:
        _row(tab.page.get_by_role("main"), number).get_by_role("checkbox").check()
    tab.page.get_by_role("button", name="Actions for selected traces").click()
    tab.page.get_by_role("menuitem", name="Delete").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("button", name=re.compile("Delete")).click()
    expect(dialog).to_have_count(0)
