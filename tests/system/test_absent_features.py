"""Features that Tandem does not have: what clients are told of them."""

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from tests.system.services import Stack


def test_clients_are_told_what_is_not_there(sqlite_stack: Stack) -> None:
    mlflow.set_tracking_uri(sqlite_stack.metadata.url)
    try:
        asked = {
            "scorers": lambda: mlflow.genai.scorers.list_scorers(experiment_id="0"),
        }
        for feature, ask in asked.items():
            with pytest.raises(MlflowException, match=f"Tandem keeps no {feature}") as refused:
                ask()
            assert refused.value.error_code == "NOT_IMPLEMENTED"
    finally:
        mlflow.set_tracking_uri("")
