"""Names of attributes, tags and metadata that MLflow gives a meaning."""

from typing import Final

TRACE_ID: Final = "mlflow.traceRequestId"
"""The attribute in which each stored span has the id of its trace."""
TYPE: Final = "mlflow.spanType"
INPUTS: Final = "mlflow.spanInputs"
OUTPUTS: Final = "mlflow.spanOutputs"
USAGE: Final = "mlflow.chat.tokenUsage"
TOOLS: Final = "mlflow.chat.tools"
MESSAGE_FORMAT: Final = "mlflow.message.format"
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

INPUT_TOKENS: Final = "input_tokens"
OUTPUT_TOKENS: Final = "output_tokens"
TOTAL_TOKENS: Final = "total_tokens"
CACHE_READ_TOKENS: Final = "cache_read_input_tokens"
CACHE_WRITE_TOKENS: Final = "cache_creation_input_tokens"
CACHE_WRITE_TOKENS_1HR: Final = "cache_creation_input_tokens_above_1hr"
"""The part of what was written to a cache that stays there for an hour."""

MAIN_TOKENS: Final = (INPUT_TOKENS, OUTPUT_TOKENS, TOTAL_TOKENS)
TOKENS: Final = (*MAIN_TOKENS, CACHE_READ_TOKENS, CACHE_WRITE_TOKENS, CACHE_WRITE_TOKENS_1HR)
"""The counts of a token usage."""

INPUT_COST: Final = "input_cost"
OUTPUT_COST: Final = "output_cost"
TOTAL_COST: Final = "total_cost"

COSTS: Final = (INPUT_COST, OUTPUT_COST, TOTAL_COST)
"""The parts of a cost, in USD."""
