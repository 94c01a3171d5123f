"""The conventions in their order, and what they add to a span."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from tandem_metadata.spans import prices
from tandem_metadata.spans.keys import (
    COST,
    INPUTS,
    MESSAGE_FORMAT,
    MODEL,
    OUTPUTS,
    PROVIDER,
    TOOLS,
    TYPE,
    USAGE,
)
from tandem_metadata.spans.span import Span
from tandem_metadata.spans.translation import (
    claude_code,
    gemini_cli,
    genai,
    google_adk,
    laminar,
    langfuse,
    livekit,
    openinference,
    spring_ai,
    traceloop,
    vercel_ai,
    voltagent,
)
from tandem_metadata.spans.translation.convention import Convention
from tandem_metadata.spans.translation.source import Source
from tandem_metadata.spans.values import Allowance

CONVENTIONS: Final = tuple(
    module.CONVENTION
    for module in (
        openinference,
        gemini_cli,
        claude_code,
        genai,
        spring_ai,
        traceloop,
        google_adk,
        vercel_ai,
        voltagent,
        livekit,
        laminar,
        langfuse,
    )
)
"""Of several that say something, the first counts."""

_WITH_EVENTS: Final = (spring_ai.CONVENTION, genai.CONVENTION, claude_code.CONVENTION)

_UNTYPED: Final = (None, "UNKNOWN")
_HEADS: Final = frozenset[str]().union(*(convention.heads for convention in CONVENTIONS))


def translate_all(spans: Iterable[Span]) -> None:
    """Translates the spans of one request, which together make no more values than one may."""
    allowance = Allowance()
    for span in spans:
        translate(span, allowance)


def translate(span: Span, allowance: Allowance | None = None) -> None:
    """Adds MLflow's attributes to a span that has what they say in the words of another library.

    Attributes of MLflow's that are there stay, but for the type UNKNOWN. What is added may be the
    very value of another attribute. Whatever the span holds, nothing is raised.
    """
    attributes = span.attributes
    conventions = conventions_of(attributes)
    if conventions or span.events:
        source = Source(attributes, span.events, allowance or Allowance())
        _add_type(attributes, conventions, source)
        _add_contents(attributes, conventions, source)
        _add(attributes, USAGE, conventions, Convention.usage, source)
        _add(attributes, MESSAGE_FORMAT, conventions, Convention.message_format, source)
        _add(attributes, TOOLS, conventions, Convention.tool_definitions, source)
        _add(attributes, MODEL, conventions, Convention.model, source)
        _add(attributes, PROVIDER, conventions, Convention.provider, source)
    if MODEL not in attributes and (model := _model_of_contents(attributes)):
        attributes[MODEL] = model
    if COST not in attributes and (cost := _cost(attributes)):
        attributes[COST] = cost


def translate_type(attributes: dict[str, Any]) -> bool:
    """Adds MLflow's type to the attributes of a stored span; returns whether it has changed.

    There are releases of MLflow that store what other libraries call the type as it comes.
    """
    before = attributes.get(TYPE)
    if before in _UNTYPED and (conventions := conventions_of(attributes)):
        _add_type(attributes, conventions, Source(attributes, (), Allowance()))
    return bool(attributes.get(TYPE) != before)


def conventions_of(names: Iterable[str]) -> tuple[Convention, ...]:
    """Those that may read attributes of these names. Most spans are MLflow's own and have none."""
    heads = _HEADS.intersection([name.partition(".")[0] for name in names])
    return _with_heads(heads) if heads else ()


@lru_cache(maxsize=1_000)
def _with_heads(heads: frozenset[str]) -> tuple[Convention, ...]:
    return tuple(each for each in CONVENTIONS if not heads.isdisjoint(each.heads))


def _add(
    attributes: dict[str, Any],
    name: str,
    conventions: Iterable[Convention],
    find: Callable[[Convention, Source], Any],
    source: Source,
) -> Convention | None:
    """Sets an attribute that is not there to the first value found, and tells whose it is."""
    if name not in attributes:
        for convention in conventions:
            if value := find(convention, source):
                attributes[name] = value
                return convention
    return None


def _add_type(
    attributes: dict[str, Any], conventions: Iterable[Convention], source: Source
) -> None:
    if attributes.get(TYPE) in _UNTYPED:
        found = (convention.span_type(source) for convention in conventions)
        if span_type := next(filter(None, found), None):
            attributes[TYPE] = span_type


def _add_contents(
    attributes: dict[str, Any], conventions: Iterable[Convention], source: Source
) -> None:
    """Inputs and outputs, of all conventions' attributes first, then of events."""
    by = _add(attributes, INPUTS, conventions, Convention.read_inputs, source)
    if by and by.format_of_inputs and (found := by.format_of_inputs(source)):
        attributes.setdefault(MESSAGE_FORMAT, found)
    _add(attributes, OUTPUTS, conventions, Convention.read_outputs, source)
    if source.events:
        _add(attributes, INPUTS, _WITH_EVENTS, _inputs_of_events, source)
        _add(attributes, OUTPUTS, _WITH_EVENTS, _outputs_of_events, source)


def _inputs_of_events(convention: Convention, source: Source) -> Any:
    return convention.event_inputs(source) if convention.event_inputs else None


def _outputs_of_events(convention: Convention, source: Source) -> Any:
    return convention.event_outputs(source) if convention.event_outputs else None


def _model_of_contents(attributes: Mapping[str, Any]) -> str | None:
    """The model that inputs or outputs name, as requests and answers of most providers do."""
    for contents in (attributes.get(INPUTS), attributes.get(OUTPUTS)):
        if isinstance(contents, dict) and (model := contents.get("model")):
            return model if isinstance(model, str) else None
    return None


def _cost(attributes: Mapping[str, Any]) -> dict[str, float] | None:
    usage, model = attributes.get(USAGE), attributes.get(MODEL)
    provider = attributes.get(PROVIDER)
    if not isinstance(usage, dict) or not isinstance(model, str):
        return None
    return prices.cost(model, provider if isinstance(provider, str) else None, usage)
