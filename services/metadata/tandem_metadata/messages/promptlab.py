"""Message of runs that the web UI's prompt lab creates."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from tandem_metadata.messages.runs import RunTag
from tandem_shared.wire.codec import Int64, Required


class PromptlabParam(Struct):
    """A param, of any JSON value; it is stored as Python writes it."""

    key: Required
    value: Any = None


class CreatePromptlabRun(Struct):
    """Request of `runs/create-promptlab-run`; its answer is that of `runs/create`.

    `mlflow_version` is required, as in MLflow, and not used.
    """

    experiment_id: Required
    prompt_template: Required
    prompt_parameters: Annotated[list[PromptlabParam], Meta(min_length=1)]
    model_route: Required
    model_input: Required
    mlflow_version: Required
    run_name: str = ""
    tags: list[RunTag] = []
    model_parameters: list[PromptlabParam] = []
    model_output: str | None = None
    model_output_parameters: list[PromptlabParam] = []
    user_id: str = "unknown"
    start_time: Int64 | None = None
