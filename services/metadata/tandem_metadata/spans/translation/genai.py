"""OpenTelemetry's semantic conventions for generative AI."""

from typing import Any

from tandem_metadata.spans.translation.convention import Convention, Tokens
from tandem_metadata.spans.translation.source import Source

OPERATION = "gen_ai.operation.name"

_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
}


def _messages(source: Source) -> list[dict[str, Any]]:
    return [
        {"role": _ROLES[event.name], "content": source.unwrap(content)}
        for event in source.events
        if event.name in _ROLES and (content := event.attributes.get("content"))
    ]


def _choices(source: Source) -> list[dict[str, Any]]:
    return [
        {
            "role": source.unwrap(event.attributes.get("role", "assistant")),
            "content": source.unwrap(content),
        }
        for event in source.events
        if event.name == "gen_ai.choice" and (content := event.attributes.get("content"))
    ]


CONVENTION = Convention(
    heads=frozenset({"gen_ai"}),
    type_key=OPERATION,
    types={
        "chat": "CHAT_MODEL",
        "create_agent": "AGENT",
        "embeddings": "EMBEDDING",
        "execute_tool": "TOOL",
        "generate_content": "LLM",
        "invoke_agent": "AGENT",
        "response": "LLM",
        "text_completion": "LLM",
    },
    inputs=("gen_ai.input.messages", "gen_ai.tool.call.arguments"),
    outputs=("gen_ai.output.messages", "gen_ai.tool.call.result"),
    tokens=Tokens(
        input=("gen_ai.usage.input_tokens",),
        output=("gen_ai.usage.output_tokens",),
        cache_read=("gen_ai.usage.cache_read.input_tokens",),
        # The second is its name in older versions of the conventions.
        cache_write=(
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
        ),
    ),
    models=("gen_ai.response.model", "gen_ai.request.model"),
    providers=("gen_ai.provider.name",),
    tools=("gen_ai.tool.definitions",),
    event_inputs=_messages,
    event_outputs=_choices,
)
