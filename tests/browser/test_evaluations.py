"""Evaluations in the web UI: their runs and datasets, traces of a prompt, and what people say."""

from collections.abc import Iterator
from typing import NamedTuple

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.genai import datasets
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import scorer
from playwright.sync_api import Locator, expect

from tests.browser import layouts
from tests.browser.content import Site
from tests.browser.dialogs import add_tag
from tests.browser.tab import SIZE, Tab

PROMPT = "asked"
QUESTIONS = "questions"
ROWS = [
    {"inputs": {"question": "first"}, "expectations": {"expected_response": "FIRST"}},
    {"inputs": {"question": "second"}, "expectations": {"expected_response": "other"}},
]
UNPROMPTED = "UNPROMPTED"
DRAWER = "mlflow.evaluations_review.modal"
"""The component ids of a trace's drawer begin so."""
PANEL_OPEN = "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'true')"


class Evaluated(NamedTuple):
    """An experiment with two evaluations over a dataset, whose traces used a prompt."""

    experiment_id: str
    runs: list[str]
    """The runs' names."""


@scorer
def exact(outputs: str, expectations: dict[str, str]) -> bool:
    return outputs == expectations["expected_response"]


@mlflow.trace(name="agent")
def _answer(question: str) -> str:
    mlflow.genai.load_prompt(f"prompts:/{PROMPT}/1")
    return question.upper()


@mlflow.trace(name="other")
def _unprompted(question: str) -> str:
    return question.lower()


@pytest.fixture(scope="module")
def evaluated(one_host: Site) -> Iterator[Evaluated]:
    with layouts.client_of(one_host.layout):
        client = MlflowClient()
        experiment_id = client.create_experiment("evaluated")
        mlflow.set_experiment(experiment_id=experiment_id)
        mlflow.genai.register_prompt(PROMPT, "Say {{word}}")
        made = datasets.create_dataset(name=QUESTIONS, experiment_id=experiment_id)
        made.merge_records(ROWS)
        runs = []
        for name in ("before", "after"):
            with mlflow.start_run(run_name=name):
                mlflow.genai.evaluate(data=made, predict_fn=_answer, scorers=[exact])
            runs.append(name)
        _unprompted(UNPROMPTED)
        mlflow.flush_trace_async_logging()
        judge = make_judge(
            name="polite", instructions="Is {{ outputs }} polite?", model="openai:/m"
        )
        judge.register(experiment_id=experiment_id)
        yield Evaluated(experiment_id, runs)


def _open(tab: Tab, evaluated: Evaluated, page: str) -> Locator:
    address = f"/experiments/{evaluated.experiment_id}/{page}?workflowType=genai"
    return tab.open(address).get_by_role("main")


def _open_trace(tab: Tab, evaluated: Evaluated) -> Locator:
    """The drawer of the trace without a prompt."""
    main = _open(tab, evaluated, "traces")
    main.get_by_text(UNPROMPTED).first.click()
    drawer = tab.page.get_by_role("dialog").first
    expect(drawer.get_by_text(UNPROMPTED).first).to_be_visible()
    return drawer


def test_evaluation_runs_open_and_are_compared(tab: Tab, evaluated: Evaluated) -> None:
    main = _open(tab, evaluated, "evaluation-runs")
    for name in evaluated.runs:
        row = main.get_by_role("row").filter(has_text=name)
        expect(row).to_contain_text("0.5")
        expect(row.get_by_role("link", name=QUESTIONS)).to_be_visible()
    tab.rest()
    tab.shot("evaluation-runs")
    main.get_by_text(evaluated.runs[0], exact=True).click()
    for text in ("FIRST", "SECOND"):
        expect(main.get_by_text(f'"{text}"', exact=True)).to_have_count(1)
    # The assistant would analyze them.
    analyze = tab.component("mlflow.run-view-evaluations.analyze-button")
    expect(analyze).to_have_count(1)
    expect(analyze).to_be_hidden()
    tab.rest()
    tab.shot("evaluation-run")
    for name in evaluated.runs:
        main.get_by_role("row").filter(has_text=name).get_by_role("checkbox").check()
    main.get_by_role("button", name="Actions").first.click()
    tab.page.get_by_role("menuitem", name="Compare").click()
    for text in ("FIRST", "SECOND"):
        expect(main.get_by_text(f'"{text}"', exact=True)).to_have_count(2)
    tab.rest()
    tab.shot("evaluation-runs-compared")


def test_people_read_and_write_a_dataset(tab: Tab, evaluated: Evaluated) -> None:
    main = _open(tab, evaluated, "datasets")
    main.get_by_role("button", name="Create dataset").first.click()
    tab.page.get_by_placeholder("Enter dataset name").fill("by hand")
    with tab.page.expect_response("**/datasets/create"):
        tab.page.get_by_role("button", name="Create", exact=True).click()
    tab.page.reload()  # the UI reads the list no sooner
    expect(main.get_by_role("link", name=QUESTIONS)).to_be_visible()
    tab.shot("datasets")
    main.get_by_role("link", name="by hand").click()
    main.get_by_role("button", name="Add record").first.click()
    tab.component("mlflow.eval-datasets-v2.drawer.save").click()
    expect(main.get_by_text("1 record", exact=True)).to_be_visible()
    tab.rest()
    tab.shot("dataset-record-added")
    main.get_by_role("link", name="Datasets").click()
    main.get_by_role("link", name=QUESTIONS).click()
    expect(main.get_by_text("2 records")).to_be_visible()
    expect(main.get_by_text('{"question":"first"}')).to_be_visible()
    tab.rest()
    tab.shot("dataset-records")


def test_a_prompt_has_the_traces_that_used_it(tab: Tab, evaluated: Evaluated) -> None:
    main = _open(tab, evaluated, f"prompts/{PROMPT}")
    main.get_by_text("Traces", exact=True).last.click()
    for text in ("FIRST", "SECOND"):
        expect(main.get_by_text(f'"{text}"', exact=True)).to_have_count(2)
    expect(main.get_by_text(UNPROMPTED)).to_have_count(0)
    tab.rest()
    tab.shot("prompt-traces")


def test_people_assess_and_tag_a_trace(tab: Tab, evaluated: Evaluated) -> None:
    tab.page.add_init_script(PANEL_OPEN)  # as MLflow's server leaves it
    drawer = _open_trace(tab, evaluated)
    box = drawer.bounding_box()
    assert box
    assert box["width"] > 0.85 * SIZE[0], "the drawer leaves room for the assistant"
    analyze = tab.component(f"{DRAWER}.analyze-trace")
    expect(analyze).to_have_count(1)
    expect(analyze).to_be_hidden()
    drawer.get_by_role("button", name="Assess trace").click()
    drawer.get_by_role("button", name="Add feedback").click()
    tab.page.get_by_role("menuitem", name="Human feedback").click()
    drawer.get_by_placeholder("Enter a feedback name").fill("helpful")
    drawer.get_by_text("False", exact=True).click()
    tab.component("shared.model-trace-explorer.assessment-rationale-input").fill("it shouts")
    _create(drawer)
    expect(drawer.get_by_text("helpful", exact=True).first).to_be_visible()
    drawer.get_by_role("button", name="Add expectation").click()
    drawer.get_by_placeholder("Enter an expectation name").fill("is_quiet")
    drawer.get_by_text("False", exact=True).last.click()
    _create(drawer)
    expect(drawer.get_by_text("is_quiet", exact=True).first).to_be_visible()
    tab.rest()
    tab.shot("trace-assessed")
    tab.component(f"{DRAWER}.close").click()

    main = tab.page.get_by_role("main")
    row = main.get_by_role("row").filter(has_text=UNPROMPTED)
    row.get_by_role("checkbox").check()
    tab.page.get_by_role("button", name="Actions for selected traces").click()
    tab.page.get_by_role("menuitem", name="Edit tags").click()
    add_tag(tab.page, "volume", "loud")
    tab.rest()
    tab.shot("trace-tagged")
    found = mlflow.search_traces(
        locations=[evaluated.experiment_id],
        filter_string="feedback.helpful = 'false' AND tags.volume = 'loud'",
        return_type="list",
    )
    said = {each.name: each for each in found[0].info.assessments}
    feedback, expectation = said["helpful"], said["is_quiet"]
    assert (feedback.value, feedback.rationale) == (False, "it shouts")
    assert expectation.value is False
    assert {each.source.source_type for each in said.values()} == {"HUMAN"}


def _create(drawer: Locator) -> None:
    """Save the form of an assessment."""
    button = drawer.get_by_role("button", name="Create", exact=True)
    button.click()
    expect(button).to_have_count(0)


def test_what_is_refused_says_why(tab: Tab, evaluated: Evaluated) -> None:
    tab.expect(501, "/(scorer|label-schemas)/", "Tandem has none of them")
    page = tab.page
    drawer = _open_trace(tab, evaluated)
    drawer.get_by_role("button", name="Assess trace").click()
    drawer.get_by_role("button", name="Add feedback").click()
    page.get_by_role("menuitem", name="LLM scorer feedback").click()
    judges = page.get_by_role("dialog").last
    judges.get_by_role("checkbox").first.check()
    judges.get_by_role("button", name="Run judge").click()
    expect(page.get_by_text("Tandem runs no scorers.").first).to_be_visible()
    tab.rest()
    tab.shot("refused-judge")

    main = _open(tab, evaluated, "review-queue")
    main.get_by_role("button", name="Manage questions").click()
    page.get_by_role("button", name="Add question").click()
    page.get_by_placeholder("Is the answer correct?").fill("Is it polite?")
    page.get_by_role("dialog").last.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Tandem has no label schemas.").first).to_be_visible()
    tab.rest()
    tab.shot("refused-question")
    assert tab.alerts == ["Failed to save question: Tandem has no label schemas."]
    tab.alerts.clear()

    main = _open(tab, evaluated, "judges")
    expect(main.get_by_text("Create and manage judges")).to_be_visible()
    tab.rest()
    tab.shot("judges")
