"""What people change and delete of a trace's assessments."""

from typing import Final

import mlflow
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource
from playwright.sync_api import Locator, expect

from tests.browser.tab import Tab

_UI: Final = "shared.model-trace-explorer"
_USER: Final = AssessmentSource("HUMAN", "User")
"""Whom the UI takes for the one who looks at it, where there are no accounts."""
_CODE: Final = AssessmentSource("CODE", "scorer")


@mlflow.trace(name="agent")
def _answer(question: str) -> str:
    return question.upper()


def _made(client: MlflowClient) -> tuple[str, str]:
    """An experiment, and its trace with assessments."""
    experiment_id = client.create_experiment("assessed")
    mlflow.set_experiment(experiment_id=experiment_id)
    _answer("why?")
    trace_id = mlflow.get_last_active_trace_id()
    assert trace_id
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(
        trace_id=trace_id, name="helpful", value=False, rationale="at first", source=_USER
    )
    mlflow.log_feedback(trace_id=trace_id, name="score", value=0.5, source=_CODE)
    mlflow.log_feedback(trace_id=trace_id, name="mistaken", value="x", source=_CODE)
    mlflow.log_expectation(trace_id=trace_id, name="facts", value=["a"], source=_USER)
    return experiment_id, trace_id


def _card(tab: Tab, name: str) -> Locator:
    """What the open trace shows of an assessment; feedback is unfolded."""
    drawer = tab.page.get_by_role("dialog").first
    toggle = tab.page.locator(f"[data-component-id^='{_UI}.toggle-']")
    named = drawer.locator("div").filter(has=tab.page.get_by_text(name, exact=True))
    card = named.filter(has=toggle).last
    if card.locator(_named("assessment-more-button")).count() == 0:
        card.locator(toggle).click()
    return card


def _named(component: str) -> str:
    return f"[data-component-id='{_UI}.{component}']"


def _choose(tab: Tab, name: str, item: str) -> Locator:
    card = _card(tab, name)
    card.locator(_named("assessment-more-button")).click()
    tab.page.get_by_role("menuitem", name=item, exact=True).click()
    return card


def _save(card: Locator, rationale: str) -> None:
    card.locator(_named("assessment-edit-rationale-input")).fill(rationale)
    save = card.locator(_named("assessment-edit-save-button"))
    save.click()
    expect(save).to_have_count(0)


def test_people_change_and_delete_assessments(tab: Tab, client: MlflowClient) -> None:
    experiment_id, trace_id = _made(client)
    page = tab.open(f"/experiments/{experiment_id}/traces?traceId={trace_id}")
    page.get_by_role("button", name="Assess trace").click()
    card = _choose(tab, "helpful", "Edit")
    card.locator(_named("assessment-edit-value-boolean-input")).get_by_text("True").click()
    _save(card, "after all")
    card = _choose(tab, "score", "Edit")  # what a program has said is overridden
    card.locator(_named("assessment-edit-value-number-input")).fill("0.9")
    _save(card, "")
    card = _choose(tab, "facts", "Edit")
    card.locator(_named("assessment-edit-value-string-input")).fill('{"x": [1, "é"]}')
    _save(card, "so it is")
    _choose(tab, "mistaken", "Delete")
    tab.component(f"{_UI}.assessment-delete-modal.footer.ok").click()
    expect(page.get_by_text("mistaken", exact=True)).to_have_count(0)

    page.reload()
    page.get_by_role("button", name="Assess trace").click()
    expect(_card(tab, "helpful").get_by_text("after all")).to_be_visible()
    expect(_card(tab, "helpful").get_by_text("True").first).to_be_visible()
    expect(_card(tab, "score").get_by_text("0.9").first).to_be_visible()
    expect(page.get_by_text("mistaken", exact=True)).to_have_count(0)
    tab.rest()
    tab.shot("trace-assessments-changed")
    # Only the form shows why something is expected.
    card = _choose(tab, "facts", "Edit")
    expect(card.locator(_named("assessment-edit-rationale-input"))).to_have_value("so it is")

    said = mlflow.get_trace(trace_id).info.assessments
    assert {(each.name, str(each.value), each.valid, each.source.source_type) for each in said} == {
        ("helpful", "True", True, "HUMAN"),
        ("score", "0.5", False, "CODE"),
        ("score", "0.9", True, "HUMAN"),
        ("facts", "{'x': [1, 'é']}", None, "HUMAN"),
    }
    [helpful] = [each for each in said if each.name == "helpful"]
    assert helpful.rationale == "after all"
