"""Names of attributes, tags and metadata that MLflow gives a meaning."""

from typing import Final

TRACE_ID: Final = "mlflow.traceRequestId"
"""The attribute in which each stored span has the id of its trace."""
TYPE: Final = "mlflow.spanType"
INPUTS: Final = "mlflow.spanInputs"
OUTPUTS: Final = "mlflow.spanOutputs"
USAGE: Final = "mlflow.chat.tokenUsage"
MODEL: Final = "mlflow.llm.model"
PROVIDER: Final = "mlflow.llm.provider"
COST: Final = "mlflow.llm.cost"

SESSION: Final = "session.id"
CONVERSATION: Final = "gen_ai.conversation.id"
USER: Final = "user.id"
SERVICE: Final = "service.name"

TAG_PREFIX: Final = "mlflow.traceTag."
"""Attributes of a root so named are tags of the trace."""

TRACE_NAME: Final = "mlflow.traceName"
"""The tag that names a trace."""

WITHHELD_TAGS: Final = frozenset(
    (
        "mlflow.artifactLocation",
        "mlflow.trace.spansLocation",
        "mlflow.trace.archiveLocation",
        "mlflow.trace.archivalFailure",
    )
)
"""Tags that the server sets, and spans cannot."""

TOKENS: Final = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
)
"""The counts of a token usage."""

COSTS: Final = ("input_cost", "output_cost", "total_cost")
"""The parts of a cost, in USD."""
