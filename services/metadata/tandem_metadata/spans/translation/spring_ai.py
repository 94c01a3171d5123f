"""Spring AI: generative AI's conventions, with contents in events of its own."""

from typing import Any

from tandem_metadata.spans.translation import genai
from tandem_metadata.spans.translation.convention import Convention, Tokens
from tandem_metadata.spans.translation.source import Source


def _content(source: Source, name: str, key: str) -> Any:
    contents = (event.attributes.get(key) for event in source.events if event.name == name)
    return source.unwrap(next((content for content in contents if content), None))


def _inputs(source: Source) -> Any:
    return _content(source, "gen_ai.content.prompt", "gen_ai.prompt")


def _outputs(source: Source) -> Any:
    return _content(source, "gen_ai.content.completion", "gen_ai.completion")


CONVENTION = Convention(
    heads=frozenset({"gen_ai"}),
    type_key=genai.OPERATION,
    types={"chat": "CHAT_MODEL", "embeddings": "EMBEDDING"},
    tokens=Tokens(input=("gen_ai.usage.input_tokens",), output=("gen_ai.usage.output_tokens",)),
    event_inputs=_inputs,
    event_outputs=_outputs,
)
