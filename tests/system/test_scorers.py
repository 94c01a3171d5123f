"""Scorers by the stock client: registered, listed, read and deleted."""

import uuid

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers import (
    Guidelines,
    delete_scorer,
    get_scorer,
    list_scorers,
    scorer,
)
from mlflow.genai.scorers.registry import list_scorer_versions


@pytest.fixture
def experiment(client: MlflowClient) -> str:
    made = client.create_experiment(f"scorers-{uuid.uuid4().hex}")
    mlflow.set_experiment(experiment_id=made)
    return made


def _guidelines(text: str) -> Guidelines:
    return Guidelines(name="polite", guidelines=[text], model="openai:/gpt-4o")


def test_scorers_of_the_client_live_their_whole_life(experiment: str) -> None:
    for text in ("Be polité.", "Be kind."):
        _guidelines(text).register(experiment_id=experiment)
    (latest,) = list_scorers(experiment_id=experiment)
    assert isinstance(latest, Guidelines)
    assert (latest.name, latest.guidelines) == ("polite", ["Be kind."])
    first = get_scorer(name="polite", experiment_id=experiment, version=1)
    assert isinstance(first, Guidelines)
    assert (first.guidelines, first.model) == (["Be polité."], "openai:/gpt-4o")
    newest = get_scorer(name="polite", experiment_id=experiment)
    assert isinstance(newest, Guidelines)
    assert newest.guidelines == ["Be kind."]
    found = list_scorer_versions(name="polite", experiment_id=experiment)
    assert [number for _, number in found] == [1, 2]
    delete_scorer(name="polite", experiment_id=experiment, version=2)
    assert [each.name for each in list_scorers(experiment_id=experiment)] == ["polite"]
    delete_scorer(name="polite", experiment_id=experiment, version="all")
    assert list_scorers(experiment_id=experiment) == []
    with pytest.raises(MlflowException, match="'polite' not found") as missing:
        get_scorer(name="polite", experiment_id=experiment)
    assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_scorers_do_not_run_by_themselves(experiment: str) -> None:
    made = _guidelines("Be kind.").register(experiment_id=experiment)
    with pytest.raises(MlflowException, match="Tandem runs no scorers by itself"):
        made.start(
            experiment_id=experiment,
            sampling_config=mlflow.genai.scorers.ScorerSamplingConfig(sample_rate=0.5),
        )


def test_scorers_that_are_functions_are_not_registered(experiment: str) -> None:
    @scorer
    def mine(outputs: str) -> bool:
        return bool(outputs)

    with pytest.raises(MlflowException, match="@scorer"):
        mine.register(experiment_id=experiment)
    assert list_scorers(experiment_id=experiment) == []
