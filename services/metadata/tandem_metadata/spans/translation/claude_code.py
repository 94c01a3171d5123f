"""Claude Code, and the Claude Agent SDK, which runs it."""

from typing import Any

from tandem_metadata.spans.keys import (
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
)
from tandem_metadata.spans.translation.convention import Convention
from tandem_metadata.spans.translation.source import Source, whole

_TYPES = {"interaction": "AGENT", "llm_request": "LLM", "tool": "TOOL"}
_REDACTED = "<REDACTED>"
_TOOL_DETAILS = ("full_command", "file_path", "skill_name", "subagent_type")
_OUTPUT_OF_EVENT = ("output", "content", "diff")
_TOKENS = {
    INPUT_TOKENS: "input_tokens",
    OUTPUT_TOKENS: "output_tokens",
    CACHE_READ_TOKENS: "cache_read_tokens",
    CACHE_WRITE_TOKENS: "cache_creation_tokens",
}


def _kind(source: Source) -> str | None:
    """Its name of a span's type: some versions put their own name before it."""
    kind = (source.text("span.type") or "").removeprefix("claude_code.")
    return kind if kind in _TYPES else None


def _type(source: Source) -> str | None:
    kind = _kind(source)
    return None if kind is None else _TYPES[kind]


def _content(source: Source, key: str) -> Any:
    """A value that says something: without the user's consent contents are redacted."""
    value = source.get(key)
    return value if value and value != _REDACTED else None


def _inputs(source: Source) -> Any:
    match _kind(source):
        case "interaction":
            prompt = _content(source, "user_prompt")
            return _content(source, "new_context") if prompt is None else prompt
        case "llm_request":
            return _content(source, "new_context")
        case "tool":
            if (arguments := _content(source, "tool_input")) is not None:
                return arguments
            details = {key: _content(source, key) for key in _TOOL_DETAILS}
            return {key: value for key, value in details.items() if value is not None}
    return None


def _outputs(source: Source) -> Any:
    match _kind(source):
        case "llm_request":
            return _content(source, "response.model_output")
        case "tool":
            return _content(source, "new_context")
    return None


def _event_outputs(source: Source) -> Any:
    if _kind(source) != "tool":
        return None
    for event in source.events:
        if event.name == "tool.output":
            for key in _OUTPUT_OF_EVENT:
                value = source.unwrap(event.attributes.get(key))
                if value and value != _REDACTED:
                    return value
    return None


def _usage(source: Source) -> dict[str, int]:
    """Its input tokens are those beside the caches; MLflow's include them."""
    if _kind(source) != "llm_request":
        return {}
    found = {name: whole(source.get(key), cut=True) for name, key in _TOKENS.items()}
    usage = {name: number for name, number in found.items() if number is not None}
    if INPUT_TOKENS in usage:
        usage[INPUT_TOKENS] += usage.get(CACHE_READ_TOKENS, 0) + usage.get(CACHE_WRITE_TOKENS, 0)
    return usage if INPUT_TOKENS in usage or OUTPUT_TOKENS in usage else {}


CONVENTION = Convention(
    heads=frozenset({"span"}),  # nothing is read without span.type
    find_type=_type,
    find_inputs=_inputs,
    find_outputs=_outputs,
    find_usage=_usage,
    event_outputs=_event_outputs,
)
