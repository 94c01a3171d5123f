"""Gemini CLI: generative AI's conventions, with operations and messages of its own."""

from dataclasses import replace
from typing import Any

from tandem_metadata.spans.translation import genai
from tandem_metadata.spans.translation.source import Source

_TYPES = {"llm_call": "LLM", "tool_call": "TOOL", "agent_call": "AGENT"}


def _is_its(source: Source) -> bool:
    return source.text("gen_ai.agent.name") == "gemini-cli"


def _type(source: Source) -> str | None:
    kind = source.text(genai.OPERATION) if _is_its(source) else None
    return None if kind is None else _TYPES.get(kind)


def _format(source: Source) -> str | None:
    return "gemini" if _is_its(source) else None


def _inputs(source: Source) -> Any:
    """Contents in an object, as the SDK sends and the web UI expects them."""
    if not _is_its(source):
        return None
    contents = source.first(genai.CONVENTION.inputs)
    return {"contents": contents} if isinstance(contents, list | str) else contents


def _outputs(source: Source) -> Any:
    """One candidate of all parts: the program has one content for each piece of a stream."""
    if not _is_its(source):
        return None
    contents = source.first(genai.CONVENTION.outputs)
    if not isinstance(contents, list):
        return contents
    parts = [
        part
        for content in contents
        if isinstance(content, dict) and isinstance(content.get("parts"), list)
        for part in content["parts"]
    ]
    return {"candidates": [{"content": {"role": "model", "parts": parts}}]} if parts else contents


CONVENTION = replace(
    genai.CONVENTION,
    find_type=_type,
    find_format=_format,
    find_inputs=_inputs,
    find_outputs=_outputs,
)
