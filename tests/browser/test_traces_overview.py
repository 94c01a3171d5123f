"""The overview of an experiment with traces: usage, quality and tool calls."""

from collections.abc import Iterator

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import SpanType
from playwright.sync_api import Locator, expect

from tests.browser import layouts
from tests.browser.content import Site
from tests.browser.tab import Tab

_NOTHING = "No data available for the selected time range"


@pytest.fixture(scope="module")
def counted(one_host: Site) -> Iterator[str]:
    """An experiment with three traces of a tool and a model, with feedback."""
    with layouts.client_of(one_host.layout):
        experiment_id = MlflowClient().create_experiment("overview")
        mlflow.set_experiment(experiment_id=experiment_id)
        for number in range(3):
            _ask(number)
            trace_id = mlflow.get_last_active_trace_id()
            mlflow.flush_trace_async_logging()
            assert trace_id
            mlflow.log_feedback(trace_id=trace_id, name="helpful", value=number != 1)
        yield experiment_id


@mlflow.trace(name="agent", span_type=SpanType.AGENT)
def _ask(number: int) -> str:
    with mlflow.start_span(name="look_up", span_type=SpanType.TOOL) as span:
        span.set_inputs({"number": number})
    with mlflow.start_span(name="model", span_type=SpanType.CHAT_MODEL) as span:
        usage = {"input_tokens": 1000, "output_tokens": 234, "total_tokens": 1234}
        span.set_attribute("mlflow.chat.tokenUsage", usage)
        span.set_attribute("mlflow.llm.model", "gpt-4o")
    return "answer"


def _overview(tab: Tab, experiment_id: str, page: str) -> Locator:
    opened = tab.open(f"/experiments/{experiment_id}/overview/{page}?workflowType=genai")
    main = opened.get_by_role("main")
    tab.rest()
    tab.shot(f"overview-{page}")
    return main


def test_usage_has_traces_tokens_and_costs(tab: Tab, counted: str) -> None:
    main = _overview(tab, counted, "usage")
    for text in ("Traces", "Latency", "3.70K", "gpt-4o"):
        expect(main.get_by_text(text).first).to_be_visible()
    expect(main.get_by_text(_NOTHING)).to_have_count(0)


def test_quality_has_assessments(tab: Tab, counted: str) -> None:
    main = _overview(tab, counted, "quality")
    expect(main.get_by_text("helpful").first).to_be_visible()
    expect(main.get_by_text(_NOTHING)).to_have_count(0)


def test_tool_calls_have_tools(tab: Tab, counted: str) -> None:
    main = _overview(tab, counted, "tool-calls")
    expect(main.get_by_text("look_up").first).to_be_visible()
    expect(main.get_by_text(_NOTHING)).to_have_count(0)
