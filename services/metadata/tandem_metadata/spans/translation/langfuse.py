"""Langfuse."""

from tandem_metadata.spans.translation.convention import Convention

CONVENTION = Convention(
    heads=frozenset({"langfuse"}),
    type_key="langfuse.observation.type",
    types={
        "generation": "LLM",
        "embedding": "EMBEDDING",
        "tool": "TOOL",
        "retriever": "RETRIEVER",
        "agent": "AGENT",
        "chain": "CHAIN",
        "evaluator": "EVALUATOR",
        "guardrail": "GUARDRAIL",
        "span": "UNKNOWN",
    },
    inputs=("langfuse.observation.input",),
    outputs=("langfuse.observation.output",),
)
