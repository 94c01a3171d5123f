"""Traceloop's OpenLLMetry, also in its time before generative AI had conventions."""

import re
from typing import Any

from tandem_metadata.spans.translation.convention import Convention, Tokens
from tandem_metadata.spans.translation.source import Source

_PROMPT = re.compile(r"gen_ai\.prompt\.[0-9]+\.content")
_ARGUMENTS = re.compile(r"gen_ai\.completion\.[0-9]+\.tool_calls\.[0-9]+\.arguments")
_COMPLETION = re.compile(r"gen_ai\.completion\.[0-9]+\.content")


def _numbered(source: Source, pattern: re.Pattern[str]) -> Any:
    """The first value, in the span's own order, whose key begins so."""
    return source.first(filter(pattern.match, source.attributes))


def _inputs(source: Source) -> Any:
    value = source.first(("traceloop.entity.input",))
    for pattern in (_PROMPT, _ARGUMENTS):
        if value is None:
            value = _numbered(source, pattern)
    return value


def _outputs(source: Source) -> Any:
    value = source.first(("traceloop.entity.output",))
    return _numbered(source, _COMPLETION) if value is None else value


CONVENTION = Convention(
    heads=frozenset({"traceloop", "gen_ai", "llm"}),
    type_key="traceloop.span.kind",
    types={
        "workflow": "WORKFLOW",
        "task": "TASK",
        "agent": "AGENT",
        "tool": "TOOL",
        "unknown": "UNKNOWN",
    },
    tokens=Tokens(
        input=("gen_ai.usage.prompt_tokens",),
        output=("gen_ai.usage.completion_tokens",),
        total=("llm.usage.total_tokens",),
    ),
    providers=("gen_ai.system",),
    find_inputs=_inputs,
    find_outputs=_outputs,
)
