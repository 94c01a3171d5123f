"""What a tracing library calls things, and how it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem_metadata.spans.keys import (
    CACHE_READ_TOKENS,
    CACHE_WRITE_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOTAL_TOKENS,
)
from tandem_metadata.spans.translation.source import Source

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Attributes with numbers of tokens. Of several, the first that is there counts."""

    input: Keys = ()
    output: Keys = ()
    total: Keys = ()
    cache_read: Keys = ()
    cache_write: Keys = ()

    def usage(self, source: Source) -> dict[str, int]:
        """The numbers that are there, by MLflow's names; none without input, output and total."""
        usage = _counts(
            source,
            {INPUT_TOKENS: self.input, OUTPUT_TOKENS: self.output, TOTAL_TOKENS: self.total},
        )
        if not usage:
            return usage
        return usage | _counts(
            source, {CACHE_READ_TOKENS: self.cache_read, CACHE_WRITE_TOKENS: self.cache_write}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """The attributes of one tracing library, and functions where names do not suffice.

    Keys are looked up in their order; the first whose value says something counts.
    """

    heads: frozenset[str]
    """What stands before the first dot in the attributes that it reads. A span without any of
    them is not looked at."""

    type_key: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    """MLflow's span type by the value of `type_key`."""
    inputs: Keys = ()
    outputs: Keys = ()
    tokens: Tokens = field(default_factory=Tokens)
    models: Keys = ()
    providers: Keys = ()
    tools: Keys = ()

    find_type: Callable[[Source], str | None] | None = None
    find_inputs: Callable[[Source], Any] | None = None
    find_outputs: Callable[[Source], Any] | None = None
    find_usage: Callable[[Source], dict[str, int]] | None = None
    find_format: Callable[[Source], str | None] | None = None
    """The format of messages, by which the web UI shows a chat."""
    format_of_inputs: Callable[[Source], str | None] | None = None
    """The same, but only if this convention gave the inputs."""
    event_inputs: Callable[[Source], Any] | None = None
    event_outputs: Callable[[Source], Any] | None = None

    def span_type(self, source: Source) -> str | None:
        """MLflow's type of a span; None if this convention does not say."""
        if self.find_type is not None:
            return self.find_type(source)
        kind = source.text(self.type_key)
        return None if kind is None else self.types.get(kind)

    def read_inputs(self, source: Source) -> Any:
        """Inputs in attributes; None or empty if there are none."""
        return self.find_inputs(source) if self.find_inputs else source.first(self.inputs)

    def read_outputs(self, source: Source) -> Any:
        """Outputs in attributes; None or empty if there are none."""
        return self.find_outputs(source) if self.find_outputs else source.first(self.outputs)

    def usage(self, source: Source) -> dict[str, int]:
        """Numbers of tokens by MLflow's names, with the total if it can be known; or nothing."""
        usage = self.find_usage(source) if self.find_usage else self.tokens.usage(source)
        if INPUT_TOKENS in usage and OUTPUT_TOKENS in usage:
            usage.setdefault(TOTAL_TOKENS, usage[INPUT_TOKENS] + usage[OUTPUT_TOKENS])
        return usage

    def message_format(self, source: Source) -> str | None:
        """The format of messages; None if this convention does not say."""
        return self.find_format(source) if self.find_format else None

    def model(self, source: Source) -> Any:
        """The model's name; None if there is none."""
        return source.first(self.models)

    def provider(self, source: Source) -> Any:
        """The name of the model's provider; None if there is none."""
        return source.first(self.providers)

    def tool_definitions(self, source: Source) -> Any:
        """The tools that a model was offered; None if there are none."""
        return source.first(self.tools)


def _counts(source: Source, keys_of: Mapping[str, Keys]) -> dict[str, int]:
    found = ((name, source.count(keys)) for name, keys in keys_of.items())
    return {name: number for name, number in found if number is not None}
