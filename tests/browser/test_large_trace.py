"""A trace of 30,000 spans in the web UI."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from playwright.sync_api import Locator, expect

from tests.browser import layouts
from tests.browser.content import Site
from tests.browser.tab import Tab
from tests.metadata.spans.exports import export, span

SPANS = 30_000
AT_ONCE = 3_000
"""Spans of a request."""
TRACE = "tr-" + "07" * 16
START = time.time_ns()


@pytest.fixture(scope="module")
def large(one_host: Site) -> Iterator[str]:
    """An experiment with the trace, in which each span has ten children."""
    with layouts.client_of(one_host.layout):
        experiment_id = MlflowClient().create_experiment("large")
        headers = {
            "Content-Type": "application/x-protobuf",
            "x-mlflow-experiment-id": experiment_id,
        }
        for first in range(0, SPANS, AT_ONCE):
            body = export(*map(_span, range(first, first + AT_ONCE))).SerializeToString()
            url = f"{one_host.layout.url}/v1/traces"
            requests.post(url, data=body, headers=headers, timeout=60).raise_for_status()
        yield experiment_id


def _span(number: int) -> Any:
    return span(
        (number + 1).to_bytes(8),
        ((number - 1) // 10 + 1).to_bytes(8) if number else b"",
        {"mlflow.spanType": "TOOL", "mlflow.spanInputs": {"number": number}},
        trace_id=b"\7" * 16,
        name=f"step {number}",
        start_time_unix_nano=START + number,
        end_time_unix_nano=START + SPANS,
    )


def _rows(tab: Tab) -> Locator:
    return tab.page.locator("[data-testid^='timeline-tree-node-']")


def test_a_trace_of_many_spans_is_shown_a_part_at_a_time(tab: Tab, large: str) -> None:
    main = tab.open(f"/experiments/{large}/traces").get_by_role("main")
    main.get_by_text('{"number": 0}').click()
    bar = tab.page.get_by_role("region", name="Spans that are shown")
    expect(bar).to_contain_text("Spans 1 to 1,000 of 30,000, by their start")
    expect(_rows(tab)).to_have_count(1_000)
    expect(bar.get_by_role("button", name="Earlier")).to_be_disabled()
    tab.rest()
    tab.shot("trace-large")

    bar.get_by_role("button", name="Later").click()
    expect(bar).to_contain_text("Spans 1,001 to 2,000 of 30,000")
    # Below the root: of the first hundred those that have children among them, and their parents.
    expect(_rows(tab)).to_have_count(1_000 + len(_above(range(1_000, 2_000))))
    _rows(tab).get_by_text("step 1001", exact=True).click()
    expect(tab.page.get_by_role("dialog").get_by_text("1001", exact=True)).to_be_visible()
    tab.rest()
    tab.shot("trace-large-later")

    tab.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(bar).to_have_count(0)


def _above(numbers: range) -> set[int]:
    """The spans on the way from others to the root, without those."""
    found: set[int] = set()
    for number in numbers:
        while number := (number - 1) // 10 if number else 0:
            found.add(number)
    return (found | {0}) - set(numbers)


def test_programs_get_a_trace_of_many_spans_whole(one_host: Site, large: str) -> None:
    query = {"trace_id": TRACE}
    url = f"{one_host.layout.url}/api/3.0/mlflow/traces/get"
    answer = requests.get(url, params=query, timeout=60)
    assert len(answer.json()["trace"]["spans"]) == SPANS
