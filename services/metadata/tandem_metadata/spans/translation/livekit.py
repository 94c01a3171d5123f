"""LiveKit Agents: generative AI's conventions, with contents and types of its own."""

from dataclasses import replace

from tandem_metadata.spans.translation import genai
from tandem_metadata.spans.translation.source import Source

_OF_AGENTS = ("lk.agent_name", "lk.instructions", "lk.generation_id")
_OF_SPEECH = ("lk.user_transcript", "lk.transcript_confidence", "lk.transcription_delay")
"""Speech to text, which MLflow has no type for."""


def _type(source: Source) -> str | None:
    if "gen_ai.request.model" in source.attributes:
        return "LLM"
    operation = source.text(genai.OPERATION)
    if operation is not None and (found := genai.CONVENTION.types.get(operation.lower())):
        return found
    return next((found for key in source.attributes if (found := _type_by(key))), None)


def _type_by(key: str) -> str | None:
    """The type that one of a span's keys tells."""
    if key == "lk.retry_count":
        return "LLM"
    if key.startswith("lk.function_tool"):
        return "TOOL"
    if key in _OF_AGENTS:
        return "AGENT"
    if key.startswith("lk.tts") or key == "lk.input_text" or key in _OF_SPEECH:
        return "UNKNOWN"
    return None


def _format(source: Source) -> str | None:
    return "livekit" if any(key.startswith("lk.") for key in source.attributes) else None


CONVENTION = replace(
    genai.CONVENTION,
    heads=frozenset({"lk", "gen_ai"}),
    inputs=("lk.user_input", "lk.user_transcript", "lk.chat_ctx", "lk.input_text"),
    outputs=("lk.response.text", "lk.response.function_calls"),
    find_type=_type,
    find_format=_format,
)
