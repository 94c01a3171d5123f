"""Metrics of traces in one database, from MLflow's own server and from Tandem."""

from typing import Any, NamedTuple

import pytest
import requests

from tests.metadata.traces import metric_questions as questions
from tests.system.beside_mlflow import Beside

_METRICS = "/ajax-api/3.0/mlflow/traces/metrics"


class _Both(NamedTuple):
    mlflow: str
    tandem: str
    experiments: tuple[str, str]

    def ask(self, question: dict[str, Any]) -> list[requests.Response]:
        """The answers of MLflow's server and of Tandem."""
        body = {"experiment_ids": [*self.experiments], **question}
        return [
            requests.post(url + _METRICS, json=body, timeout=60)
            for url in (self.mlflow, self.tandem)
        ]


@pytest.fixture(scope="module")
def both(beside: Beside) -> _Both:
    experiments = (_experiment(beside.mlflow, "one"), _experiment(beside.mlflow, "two"))
    questions.fill(
        lambda path, body, headers: requests.post(
            beside.mlflow + path, data=body, headers=headers, timeout=60
        ).raise_for_status(),
        experiments,
    )
    return _Both(beside.mlflow, beside.tandem, experiments)


def _experiment(url: str, name: str) -> str:
    path = f"{url}/api/2.0/mlflow/experiments/create"
    answer = requests.post(path, json={"name": name}, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["experiment_id"])


def _points(answer: requests.Response) -> Any:
    """What is said, with sums of doubles to twelve digits: databases add in any order."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for point in found.get("data_points", []):
        point["values"] = {k: float(f"{v:.12g}") for k, v in point["values"].items()}
    return found


@pytest.mark.parametrize("question", [*questions.OF_THE_UI, *questions.OTHERS], ids=str)
def test_answers_agree(both: _Both, question: dict[str, Any]) -> None:
    theirs, ours = both.ask(question)
    assert _points(ours) == _points(theirs)


@pytest.mark.parametrize("question", questions.OF_THE_UI, ids=str)
def test_questions_of_the_ui_have_answers(both: _Both, question: dict[str, Any]) -> None:
    for answer in both.ask(question):
        if question["metric_name"] != "cache_creation_input_tokens":
            assert _points(answer)["data_points"]


@pytest.mark.parametrize("question", questions.REFUSED, ids=str)
def test_refusals_agree(both: _Both, question: dict[str, Any]) -> None:
    theirs, ours = both.ask(question)
    assert theirs.status_code == ours.status_code == 400, (theirs.text, ours.text)
    assert ours.json()["error_code"] == theirs.json()["error_code"]


def test_no_aggregations_are_refused_alike(both: _Both) -> None:
    question = {"view_type": "TRACES", "metric_name": "trace_count", "aggregations": []}
    theirs, ours = both.ask(question)
    assert (ours.status_code, ours.json()["error_code"]) == (400, theirs.json()["error_code"])


_TOGETHER = [
    ("status = 'OK'", "span.type = 'TOOL'", None),
    ("status = 'OK'", "status = 'ERROR'", None),
    ("status = 'OK'", "status = 'OK'", None),
    ("status = 'OK'", "name = 'nobody'", None),
    ("span.type = 'LLM'", "execution_time_ms > 30", "timestamp_ms > 0"),
    ("span.type = 'TOOL'", "span.type = 'LLM'", "status = 'OK'"),
    ("span.name = 'root'", "status = 'OK'", "span.type = 'AGENT'"),
    ("span.name = 'root'", "status = 'OK'", "span.type = 'TOOL'"),
    ("status = 'OK'", "span.type = 'TOOL'", "name = 'nobody'"),
    ("timestamp_ms > 0", "status != 'x'", None),
    ("feedback.correct = 'true'", "status = 'OK'", None),
    ("status = 'OK' AND execution_time_ms < 60", "metadata.`mlflow.trace.user` != 'bob'", None),
]


@pytest.mark.parametrize(("first", "second", "base"), _TOGETHER, ids=str)
def test_correlations_agree(both: _Both, first: str, second: str, base: str | None) -> None:
    for experiments in (both.experiments, both.experiments[1:], ("999999",)):
        theirs, ours = (
            _correlation(url, experiments, first, second, base)
            for url in (both.mlflow, both.tandem)
        )
        assert ours == pytest.approx(theirs, abs=1e-9)


def _correlation(
    url: str, experiments: tuple[str, ...], first: str, second: str, base: str | None
) -> Any:
    body: dict[str, Any] = {"filter_string1": first, "filter_string2": second}
    if base:
        body["base_filter"] = base
    answer = requests.post(
        f"{url}/api/3.0/mlflow/traces/calculate-filter-correlation",
        json={"experiment_ids": experiments, **body},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"experiment_ids": ["x"], "filter_string1": "status = 'OK'"},
        {
            "experiment_ids": ["x"],
            "filter_string1": "status = 'OK'",
            "filter_string2": "name = 'a'",
        },
        {"experiment_ids": ["1"], "filter_string1": "nonsense", "filter_string2": "name = 'a'"},
    ],
    ids=str,
)
def test_refusals_of_correlations_agree(both: _Both, asked: dict[str, Any]) -> None:
    path = "/api/3.0/mlflow/traces/calculate-filter-correlation"
    theirs, ours = (
        requests.post(url + path, json=asked, timeout=60) for url in (both.mlflow, both.tandem)
    )
    assert (ours.status_code, ours.json()["error_code"]) == (
        theirs.status_code,
        theirs.json()["error_code"],
    )
