"""Features that Tandem does not have must not break what it has."""

import logging
import time

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tests.system.services import Stack

ENOUGH_SECONDS = 60


@mlflow.trace
def traced(step: int) -> int:
    with mlflow.start_span("inner") as span:
        span.set_inputs({"step": step})
    return step * 2


def spans_sent_to(stack: Stack) -> int:
    return sum(line.get("path") == "/v1/traces" for line in stack.metadata.log_lines())


def test_traced_training_goes_on_and_is_told_that_traces_are_not_kept(
    sqlite_stack: Stack, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LinearRegression

    monkeypatch.setattr(logging.getLogger("mlflow"), "propagate", True)
    mlflow.set_tracking_uri(sqlite_stack.metadata.url)
    try:
        mlflow.set_experiment("traced")
        started = time.monotonic()
        mlflow.sklearn.autolog(log_models=False)
        with mlflow.start_run() as run:
            LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
            mlflow.log_metric("x", traced(0), step=0)
            mlflow.flush_trace_async_logging()
            first = spans_sent_to(sqlite_stack)
            for step in range(1, 5):
                mlflow.log_metric("x", traced(step), step=step)
        mlflow.flush_trace_async_logging()
        assert time.monotonic() - started < ENOUGH_SECONDS
        found = mlflow.get_run(run.info.run_id)
        assert found.info.status == "FINISHED"
        assert found.data.metrics["x"] == 8
        # A record goes by several loggers, and is caught at each.
        warnings = {id(each) for each in caplog.records if "keeps no traces" in each.getMessage()}
        assert len(warnings) == 1, "it is told once, not at each call"
        assert first == 1
        assert spans_sent_to(sqlite_stack) == first, "a client that was refused must stop sending"
    finally:
        mlflow.sklearn.autolog(disable=True)
        mlflow.set_tracking_uri("")


def test_clients_are_told_what_is_not_there(sqlite_stack: Stack) -> None:
    mlflow.set_tracking_uri(sqlite_stack.metadata.url)
    client = MlflowClient()
    try:
        asked = {
            "traces": lambda: client.search_traces(locations=["0"]),
            "evaluation datasets": lambda: mlflow.genai.datasets.create_dataset(
                name="d", experiment_id="0"
            ),
            "scorers": lambda: mlflow.genai.scorers.list_scorers(experiment_id="0"),
        }
        for feature, ask in asked.items():
            with pytest.raises(MlflowException, match=f"Tandem keeps no {feature}") as refused:
                ask()
            assert refused.value.error_code == "NOT_IMPLEMENTED"
        assert mlflow.get_trace("tr-00000000000000000000000000000000") is None
    finally:
        mlflow.set_tracking_uri("")
