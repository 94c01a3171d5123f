"""State that MLflow's client keeps in its process, where tests follow one another."""

import os
import sys


def forget_experiment() -> None:
    """Take back a set_experiment, on another server maybe."""
    # Nothing public does. The variable is the client's own, for processes that it starts.
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)
    if fluent := sys.modules.get("mlflow.tracking.fluent"):
        fluent._active_experiment_id = None  # type: ignore[attr-defined]
