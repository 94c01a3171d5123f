"""Assessments and evaluations by the stock client, with scorers that are Python functions."""

import uuid
from collections.abc import Iterator
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import AssessmentError, AssessmentSource, Feedback, Trace
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets
from mlflow.genai.scorers import scorer

BOB = AssessmentSource("HUMAN", "bob")
SOURCE_RUN = "mlflow.assessment.sourceRunId"


@pytest.fixture
def experiment(client: MlflowClient) -> Iterator[str]:
    made = client.create_experiment(f"evaluation-{uuid.uuid4().hex}")
    mlflow.set_experiment(experiment_id=made)
    yield made
    mlflow.flush_trace_async_logging()


@mlflow.trace
def answer(question: str) -> str:
    return question.upper()


def _traced(question: str = "hello") -> str:
    answer(question)
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()
    assert trace_id
    return trace_id


def _assessments(trace_id: str) -> list[Any]:
    trace = mlflow.get_trace(trace_id)
    assert trace is not None
    return trace.info.assessments


def test_assessments_of_the_client_live_their_whole_life(experiment: str) -> None:
    trace_id = _traced()
    feedback = mlflow.log_feedback(
        trace_id=trace_id, name="good", value=True, source=BOB, rationale="é", metadata={"a": "b"}
    )
    expected = mlflow.log_expectation(
        trace_id=trace_id, name="expected", value={"answer": ["A", 1]}, source=BOB
    )
    failed = mlflow.log_feedback(
        trace_id=trace_id, name="judged", error=AssessmentError("RATE_LIMIT", "too fast", "stack")
    )
    found = {each.name: each for each in _assessments(trace_id)}
    assert found == {"good": feedback, "expected": expected, "judged": failed}
    assert found["expected"].value == {"answer": ["A", 1]}
    assert found["judged"].error.error_message == "too fast"
    assert found["good"].source == BOB

    changed = mlflow.update_assessment(
        trace_id=trace_id,
        assessment_id=feedback.assessment_id,
        assessment=Feedback(name="good", value=False, rationale="changed", metadata={"c": "d"}),
    )
    assert (changed.value, changed.rationale) == (False, "changed")
    assert changed.metadata == {"a": "b", "c": "d"}
    assert mlflow.get_assessment(trace_id, feedback.assessment_id) == changed

    override = mlflow.override_feedback(
        trace_id=trace_id, assessment_id=feedback.assessment_id, value="yes", source=BOB
    )
    assert not mlflow.get_assessment(trace_id, feedback.assessment_id).valid
    for text, matches in (("feedback.good = 'yes'", 1), ("feedback.good = 'false'", 0)):
        some = mlflow.search_traces(locations=[experiment], filter_string=text, return_type="list")
        assert len(some) == matches
    mlflow.delete_assessment(trace_id=trace_id, assessment_id=override.assessment_id)
    assert mlflow.get_assessment(trace_id, feedback.assessment_id).valid
    with pytest.raises(MlflowException, match="not found"):
        mlflow.get_assessment(trace_id, override.assessment_id)
    with pytest.raises(MlflowException, match="not found"):
        mlflow.log_feedback(trace_id="tr-nobody", name="x", value=1, source=BOB)


def test_assessments_of_a_running_trace_come_with_it(experiment: str) -> None:
    with mlflow.start_span("root") as span:
        mlflow.log_feedback(trace_id=span.trace_id, name="early", value=0.5, source=BOB)
        mlflow.log_expectation(trace_id=span.trace_id, name="right", value="x", source=BOB)
    mlflow.flush_trace_async_logging()
    found = {each.name: each.value for each in _assessments(span.trace_id)}
    assert found == {"early": 0.5, "right": "x"}


@scorer
def exact(outputs: str, expectations: dict[str, Any]) -> bool:
    return outputs == expectations["expected_response"]


@scorer
def length(outputs: str) -> float:
    return len(outputs)


@scorer
def explained(outputs: str, trace: Trace) -> Feedback:
    return Feedback(value="yes" if trace.data.spans else "no", rationale="it has spans")


@scorer
def broken(outputs: str) -> bool:
    raise ValueError("no judge")


SCORERS = [exact, length, explained, broken]
ROWS = [
    {"inputs": {"question": "a"}, "expectations": {"expected_response": "A"}},
    {"inputs": {"question": "bb"}, "expectations": {"expected_response": "b"}},
]


def test_an_evaluation_calls_a_function_and_scores_what_it_answers(
    client: MlflowClient, experiment: str
) -> None:
    result = mlflow.genai.evaluate(data=ROWS, predict_fn=answer, scorers=SCORERS)
    assert result.metrics == {
        "exact/mean": 0.5,
        "length/mean": 1.5,
        "explained/mean": 1.0,
    }
    run = client.get_run(result.run_id)
    assert run.data.metrics == result.metrics
    found = _of_run(experiment, result.run_id)
    assert {trace.info.request_preview for trace in found} == {
        '{"question": "a"}',
        '{"question": "bb"}',
    }
    for trace in found:
        named = {each.name: each for each in trace.info.assessments}
        assert named.keys() == {"exact", "length", "explained", "broken", "expected_response"}
        assert named["broken"].error.error_message == "no judge"
        assert named["explained"].rationale == "it has spans"
        for each in SCORERS:
            assert named[each.name].metadata[SOURCE_RUN] == result.run_id
            assert named[each.name].source.source_type == "CODE"
    table = result.result_df
    assert sorted(table["length/value"]) == [1.0, 2.0]

    human = mlflow.log_feedback(trace_id=found[0].info.trace_id, name="human", value=1, source=BOB)
    client.delete_run(result.run_id)
    client.restore_run(result.run_id)
    assert _assessments(found[0].info.trace_id) == [human]
    assert _assessments(found[1].info.trace_id) == []


def test_an_evaluation_of_traces_links_them_to_its_run(experiment: str) -> None:
    trace_ids = {_traced(question) for question in ("x", "yy")}
    traces = mlflow.search_traces(locations=[experiment])
    result = mlflow.genai.evaluate(data=traces, scorers=[length])
    assert result.metrics == {"length/mean": 1.5}
    found = _of_run(experiment, result.run_id)
    assert {trace.info.trace_id for trace in found} == trace_ids
    for trace in found:
        [feedback] = trace.info.assessments
        assert (feedback.name, feedback.value) in {("length", 1.0), ("length", 2.0)}


def _of_run(experiment: str, run_id: str) -> list[Trace]:
    return mlflow.search_traces(locations=[experiment], run_id=run_id, return_type="list")


def test_prompts_are_linked_to_the_traces_that_use_them(
    client: MlflowClient, experiment: str
) -> None:
    name = f"p{uuid.uuid4().hex[:20]}"
    mlflow.genai.register_prompt(name, "Say {{word}}")

    @mlflow.trace
    def prompted() -> str:
        return mlflow.genai.load_prompt(f"prompts:/{name}/1").format(word="x")

    assert prompted() == "Say x"
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()
    version = client.get_prompt_version(name, "1")
    for _ in range(2):  # The client may have linked it by now; that is no error.
        client.link_prompt_versions_to_trace([version], trace_id)
    [found] = mlflow.search_traces(
        locations=[experiment], filter_string=f"prompt = '{name}/1'", return_type="list"
    )
    assert found.info.trace_id == trace_id


def test_datasets_hold_what_is_evaluated(client: MlflowClient, experiment: str) -> None:
    name = f"d{uuid.uuid4().hex[:12]}"
    made = datasets.create_dataset(name=name, experiment_id=experiment, tags={"team": "x"})
    assert made.experiment_ids == [experiment]
    made.merge_records(ROWS)
    made.merge_records([{"inputs": {"question": "a"}, "expectations": {"more": 1}}])
    trace_id = _traced("ccc")
    mlflow.log_expectation(trace_id=trace_id, name="expected_response", value="CCC", source=BOB)
    made.merge_records(mlflow.search_traces(locations=[experiment]))

    found = datasets.get_dataset(dataset_id=made.dataset_id)
    assert (found.name, found.tags["team"]) == (name, "x")
    assert found.profile is not None
    table = found.to_df()
    told = {row.inputs["question"]: row.expectations for row in table.itertuples()}
    assert told == {
        "a": {"expected_response": "A", "more": 1},
        "bb": {"expected_response": "b"},
        "ccc": {"expected_response": "CCC"},
    }
    [traced] = [row for row in table.itertuples() if row.inputs["question"] == "ccc"]
    assert (traced.source_type, traced.source_id) == ("TRACE", trace_id)

    result = mlflow.genai.evaluate(data=found, predict_fn=answer, scorers=[exact, length])
    assert result.metrics == {"exact/mean": pytest.approx(2 / 3), "length/mean": 2.0}
    logged = client.get_run(result.run_id).inputs.dataset_inputs
    assert name in {each.dataset.name for each in logged}


def test_datasets_are_found_changed_and_deleted(client: MlflowClient, experiment: str) -> None:
    other = client.create_experiment(f"other-{uuid.uuid4().hex}")
    made = [
        datasets.create_dataset(name=f"d{number}", experiment_id=experiment, tags={"n": number})
        for number in ("1", "2", "3")
    ]
    ids = [each.dataset_id for each in made]
    found = datasets.search_datasets(experiment_ids=[experiment], order_by=["name DESC"])
    assert [each.dataset_id for each in found] == ids[::-1]
    [second] = datasets.search_datasets(experiment_ids=[experiment], filter_string="tags.n = '2'")
    assert second.dataset_id == ids[1]
    datasets.set_dataset_tags(dataset_id=ids[1], tags={"n": "5", "m": "6"})
    datasets.delete_dataset_tag(dataset_id=ids[1], key="m")
    tags = datasets.get_dataset(dataset_id=ids[1]).tags
    assert (tags["n"], "m" in tags) == ("5", False)
    datasets.add_dataset_to_experiments(dataset_id=ids[1], experiment_ids=[other])
    [moved] = datasets.search_datasets(experiment_ids=[other])
    assert moved.dataset_id == ids[1]
    assert moved.experiment_ids == [experiment, other]
    datasets.remove_dataset_from_experiments(dataset_id=ids[1], experiment_ids=[experiment])
    assert datasets.get_dataset(dataset_id=ids[1]).experiment_ids == [other]

    made[0].merge_records(ROWS)
    kept, gone = made[0].to_df()["dataset_record_id"]
    assert made[0].delete_records([gone]) == 1
    [left] = datasets.get_dataset(dataset_id=ids[0]).to_df()["dataset_record_id"]
    assert left == kept
    datasets.delete_dataset(dataset_id=ids[0])
    with pytest.raises(MlflowException, match="not found"):
        datasets.get_dataset(dataset_id=ids[0])
