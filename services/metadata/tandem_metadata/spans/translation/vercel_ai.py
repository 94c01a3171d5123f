"""Vercel's AI SDK."""

from typing import Any

from tandem_metadata.spans.translation.convention import Convention
from tandem_metadata.spans.translation.source import Source

_OPERATION = "ai.operationId"
_CHATS = frozenset({"ai.generateText.doGenerate", "ai.streamText.doStream"})
_ENCODINGS = 2
"""How often a value may be JSON text that is within JSON text."""

_INPUTS = ("ai.prompt", "ai.toolCall.args", "ai.value", "ai.values")
_OUTPUTS = (
    "ai.response.text",
    "ai.toolCall.result",
    "ai.response.object",
    "ai.embedding",
    "ai.embeddings",
)


def _inputs(source: Source) -> Any:
    if not _is_chat(source):
        return source.first(_INPUTS)
    inputs = _below("ai.prompt.", source)
    if isinstance(tools := inputs.get("tools"), list):
        inputs["tools"] = [_unwrapped(tool, source) for tool in tools]
    return inputs


def _outputs(source: Source) -> Any:
    if not _is_chat(source):
        return source.first(_OUTPUTS)
    return _below("ai.response.", source)


def _format(source: Source) -> str | None:
    return "vercel_ai" if _is_chat(source) else None


def _is_chat(source: Source) -> bool:
    return source.text(_OPERATION) in _CHATS


def _below(prefix: str, source: Source) -> dict[str, Any]:
    return {
        key.removeprefix(prefix): _unwrapped(value, source)
        for key, value in source.attributes.items()
        if key.startswith(prefix)
    }


def _unwrapped(value: Any, source: Source) -> Any:
    for _ in range(_ENCODINGS):
        value = source.unwrap(value)
    return value


CONVENTION = Convention(
    heads=frozenset({"ai"}),
    type_key=_OPERATION,
    types={
        "ai.embed": "EMBEDDING",
        "ai.embed.doEmbed": "EMBEDDING",
        "ai.embedMany": "EMBEDDING",
        "ai.generateObject": "LLM",
        "ai.generateObject.doGenerate": "LLM",
        "ai.generateText": "LLM",
        "ai.generateText.doGenerate": "LLM",
        "ai.streamObject": "LLM",
        "ai.streamObject.doStream": "LLM",
        "ai.streamText": "LLM",
        "ai.streamText.doStream": "LLM",
        "ai.toolCall": "TOOL",
    },
    find_inputs=_inputs,
    find_outputs=_outputs,
    format_of_inputs=_format,
)
