"""What requests change of traces, checked as far as can be without the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tandem_metadata.spans.summary import SpanSummary
from tandem_metadata.store.traces.assessment_rows import NewAssessment


@dataclass(frozen=True, slots=True)
class Told:
    """What clients tell of a trace besides its spans; all of it counts more than what spans do."""

    name: str | None = None
    session: str | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Without session, tokens and costs."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Without the name, and without those that the server sets."""


@dataclass(frozen=True, slots=True)
class LogSpans:
    """Spans of any traces, stored whole or not at all, but for those that are refused."""

    experiment_id: str
    """Where traces that are new lie. Spans of others go where these lie."""
    spans: Sequence[SpanSummary]
    """Each once."""
    run_id: str | None = None
    """A run to which traces are linked whose root is among the spans."""
    may_write: Callable[[str], bool] | None = None
    """Whether traces of an experiment may be written to; None if those of all."""


@dataclass(frozen=True, slots=True)
class StartTrace:
    """A trace, be it new or known already by its spans or by an earlier call."""

    trace_id: str
    experiment_id: str
    """An active experiment, to which a trace of another one is moved."""
    timestamp_ms: int | None
    """None if the spans are to tell."""
    execution_time_ms: int | None
    """The same. Of a trace that is in progress it is how long it has lasted at least."""
    state: str
    told: Told
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    assessments: Sequence[NewAssessment] = ()
    """Those that it gets; what has the same ids is replaced."""
    old: bool = False
    """Whether a client of version 2 starts it, who will end it. Else its times are final."""
    may_write: Callable[[str], bool] | None = None
    """Whether traces of an experiment may be written to; None if those of all."""


@dataclass(frozen=True, slots=True)
class EndTrace:
    """The end of a trace, by a client of version 2."""

    trace_id: str
    end_ms: int
    state: str
    told: Told


Change = LogSpans | StartTrace | EndTrace


INVALID: Final = "invalid"
ARCHIVED: Final = "archived"
DENIED: Final = "denied"
REFUSALS: Final = (INVALID, ARCHIVED, DENIED)
"""Kinds of reasons for which a span is not stored: it cannot be, or its trace takes none."""


@dataclass(slots=True)
class Logged:
    """What became of `LogSpans`."""

    refused: int = 0
    """Spans that were not stored."""
    reasons: list[str] = field(default_factory=list)
    """Why, for the client, each once."""
    kinds: dict[str, int] = field(default_factory=dict)
    """How many of them, by the kind of reason."""

    def refuse(self, count: int, reason: str, kind: str) -> None:
        """Count spans that were not stored; `kind` is one of `REFUSALS`."""
        self.refused += count
        self.kinds[kind] = self.kinds.get(kind, 0) + count
        if reason not in self.reasons:
            self.reasons.append(reason)
