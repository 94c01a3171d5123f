"""Laminar."""

from tandem_metadata.spans.translation.convention import Convention, Tokens
from tandem_metadata.spans.translation.source import Source

_TYPE = "lmnr.span.type"


def _format(source: Source) -> str | None:
    return "openai" if _TYPE in source.attributes else None


CONVENTION = Convention(
    heads=frozenset({"lmnr", "gen_ai"}),
    type_key=_TYPE,
    types={
        "LLM": "LLM",
        "CACHED": "LLM",
        "TOOL": "TOOL",
        "DEFAULT": "CHAIN",
        "PIPELINE": "CHAIN",
        "EXECUTOR": "AGENT",
        "EVALUATOR": "EVALUATOR",
        "HUMAN_EVALUATOR": "EVALUATOR",
        "EVALUATION": "EVALUATOR",
    },
    inputs=("lmnr.span.input",),
    outputs=("lmnr.span.output",),
    tokens=Tokens(input=("gen_ai.usage.input_tokens",), output=("gen_ai.usage.output_tokens",)),
    models=("gen_ai.response.model", "gen_ai.request.model"),
    providers=("gen_ai.system",),
    find_format=_format,
)
