"""VoltAgent."""

from tandem_metadata.spans.translation.convention import Convention, Tokens
from tandem_metadata.spans.translation.source import Source

_TYPES = {"agent": "AGENT", "llm": "LLM", "tool": "TOOL", "memory": "MEMORY"}


def _type(source: Source) -> str | None:
    """A span's own type goes before its entity's, which children have from their agent."""
    kinds = (source.text(key) for key in ("span.type", "entity.type"))
    return next((_TYPES[kind] for kind in kinds if kind in _TYPES), None)


def _format(source: Source) -> str | None:
    its = ("voltagent.operation_id", "voltagent.conversation_id")
    return "voltagent" if any(key in source.attributes for key in its) else None


CONVENTION = Convention(
    heads=frozenset({
        "span", "entity", "voltagent", "agent", "llm", "input", "output", "usage"
    }),
    inputs=("agent.messages", "llm.messages", "input"),
    outputs=("output",),
    tokens=Tokens(
        input=("usage.prompt_tokens", "llm.usage.prompt_tokens"),
        output=("usage.completion_tokens", "llm.usage.completion_tokens"),
        total=("usage.total_tokens", "llm.usage.total_tokens"),
    ),
    find_type=_type,
    find_format=_format,
)  # fmt: skip
