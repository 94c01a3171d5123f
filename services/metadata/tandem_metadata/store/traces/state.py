"""What requests make of one trace: the rules by which spans and what clients tell come together.

Both come in any order, in one transaction or in several, and the trace is the same in the end:

- What a client tells counts, before and after spans that tell something else. A trace that it calls
  unfinished has no duration yet: spans tell when it ends.
- What it does not tell is told by spans: sums of tokens and costs by all that are stored.
- Of several spans that tell a name, a session or a preview, the first counts.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tandem_metadata.database.tables.traces import COSTS, TOKENS
from tandem_metadata.rules.integers import INT64_MAX
from tandem_metadata.spans.summary import SpanSummary
from tandem_metadata.spans.usage import Row, sums
from tandem_metadata.store.traces.assessment_rows import NewAssessment
from tandem_metadata.store.traces.changes import EndTrace, StartTrace, Told
from tandem_shared.errors import invalid_value

FINALIZED: Final = "mlflow.trace.infoFinalized"
"""Metadata of a trace that a client has told of. MLflow looks for the key alone."""
_FINAL: Final = "true"
_LACKS: Final = {
    (True, True): _FINAL,
    (True, False): "without duration",
    (False, True): "without time",
    (False, False): "without time and duration",
}
"""Its value, by whether the time at which the trace starts and its duration were told."""
_HAS: Final = {value: told for told, value in _LACKS.items()}
USER: Final = "mlflow.trace.user"
SPANS_LOCATION: Final = "mlflow.trace.spansLocation"
ARTIFACT_LOCATION: Final = "mlflow.artifactLocation"
IN_DATABASE: Final = "TRACKING_STORE"
IN_ARCHIVE: Final = "ARCHIVE_REPO"

OPEN: Final = frozenset({"IN_PROGRESS", "STATE_UNSPECIFIED", "TRACE_STATUS_UNSPECIFIED"})
"""States that a root's status replaces."""

BASIC: Final = 8
"""Values of `TraceState.row` that all generations have in `trace_info`."""

_MS: Final = 1_000_000
"""Nanoseconds."""
_CLOSE: Final = 1e-9
"""MLflow adds costs in another order, so that last digits may differ."""


@dataclass(slots=True)
class TraceState:
    """A trace as it will be stored."""

    trace_id: str
    experiment_id: int
    timestamp_ms: int
    execution_time_ms: int | None = None
    status: str = "IN_PROGRESS"
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    name: str | None = None
    session: str | None = None
    tokens: dict[str, int] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    """All but the name."""
    metadata: dict[str, str] = field(default_factory=dict)
    """`USER` and `FINALIZED`, if they are stored, and all that is to be."""
    new_tags: dict[str, str] = field(default_factory=dict)
    new_metadata: dict[str, str] = field(default_factory=dict)
    """What differs from what is stored."""
    spans: dict[str, SpanSummary] = field(default_factory=dict)
    """Those to be stored, by id."""
    assessments: dict[str, NewAssessment] = field(default_factory=dict)
    """Those to be stored, by id."""
    run_ids: set[str] = field(default_factory=set)
    """Runs to be linked."""
    stored: tuple[Any, ...] = ()
    """The row as it is stored; empty if the trace is new."""
    _given: set[str] = field(default_factory=set)
    """Tokens and costs that clients have told in this transaction."""

    def row(self) -> tuple[Any, ...]:
        """The values of all columns of `trace_info`, in their order."""
        return (
            self.trace_id,
            self.experiment_id,
            self.timestamp_ms,
            self.execution_time_ms,
            self.status,
            self.client_request_id,
            self.request_preview,
            self.response_preview,
            self.name,
            self.session,
            *(self.tokens.get(key) for key in TOKENS),
            *(self.costs.get(key) for key in COSTS),
        )

    def start(self, given: StartTrace) -> None:
        """Take over what a client tells of a trace that may have spans already."""
        self._take_times(given)
        if given.state not in OPEN or self.status in OPEN:
            self.status = given.state
        self.client_request_id = given.client_request_id
        if given.request_preview is not None:
            self.request_preview = given.request_preview
        if given.response_preview is not None:
            self.response_preview = given.response_preview
        self._hear(given.told)
        self.assessments.update((each.id, each) for each in given.assessments)

    def end(self, given: EndTrace) -> None:
        """End the trace; raises InvalidParameter, and changes nothing, if no column holds that."""
        lasted = given.end_ms - self.timestamp_ms
        if lasted != _stored_whole(lasted):
            raise invalid_value(
                "timestamp_ms",
                given.end_ms,
                f"the trace starts at {self.timestamp_ms}, and no duration is so long",
            )
        self.execution_time_ms = lasted
        if self._times_told()[0]:
            self._put_metadata(FINALIZED, _FINAL)
        self.status = given.state
        self._hear(given.told)

    def add(self, spans: Sequence[SpanSummary], run_id: str | None) -> None:
        """Add spans of one request."""
        self._widen(spans)
        seen: Mapping[str, str] | None = None
        for span in spans:
            self.spans[span.span_id] = span
            if span.parent_id is None:
                self._add_root(span)
                if run_id is not None:
                    self.run_ids.add(run_id)
            self.session = self.session or span.session
            if span.user is not None and USER not in self.metadata:
                self._put_metadata(USER, span.user)
            if span.resource_tags is not seen:
                seen = span.resource_tags
                for key, value in seen.items():
                    self.put_tag(key, self.tags.get(key, value))
        self.put_tag(SPANS_LOCATION, IN_DATABASE)

    def put_tag(self, key: str, value: str) -> None:
        """Set a tag; it is written if it differs."""
        if self.tags.get(key) != value:
            self.tags[key] = self.new_tags[key] = value

    def may_change_sums(self) -> bool:
        """Whether sums may become others by the spans that are to be stored."""
        return bool(self.spans) and bool(
            self.tokens
            or self.costs
            or any(each.usage or each.cost for each in self.spans.values())
        )

    def sum_up(self, stored: Iterable[Row]) -> None:
        """Add up tokens and costs of the spans that are stored and of those to be.

        Of a finalized trace a stored number is the client's own if it is not the sum over what is
        stored. Where a client told the sum over some spans, and more follow, that is not seen.
        """
        before = {row.id: row for row in stored}
        after = before | {each.span_id: _row(each) for each in self.spans.values()}
        # Sorted, so that costs are added in one order however spans came.
        then, now = sums(_sorted(before)), sums(_sorted(after))
        self._sum(self.tokens, TOKENS, then.usage or {}, now.usage or {})
        self._sum(self.costs, COSTS, then.cost or {}, now.cost or {})

    def _sum(
        self,
        totals: dict[str, Any],
        names: Sequence[str],
        before: Mapping[str, float],
        after: Mapping[str, float],
    ) -> None:
        finalized = FINALIZED in self.metadata
        for name in names:
            stored = totals.get(name)
            told = finalized and stored is not None and not _same(stored, before.get(name))
            if told or name in self._given:
                continue
            if name in after:
                totals[name] = after[name]
            else:
                totals.pop(name, None)

    def _hear(self, told: Told) -> None:
        if told.name is not None:
            self.name = told.name
        if told.session is not None:
            self.session = told.session
        self.tokens.update(told.tokens)
        self.costs.update(told.costs)
        self._given.update(told.tokens, told.costs)
        for key, value in told.metadata.items():
            self._put_metadata(key, value)
        for key, value in told.tags.items():
            self.put_tag(key, value)

    def _put_metadata(self, key: str, value: str) -> None:
        if self.metadata.get(key) != value:
            self.metadata[key] = self.new_metadata[key] = value

    def _times_told(self) -> tuple[bool, bool]:
        """Whether a client has told when the trace starts, and how long it has lasted."""
        if FINALIZED not in self.metadata:
            return False, False
        time, duration = _HAS.get(self.metadata[FINALIZED], (True, True))
        return time, duration and self.execution_time_ms is not None

    def _take_times(self, given: StartTrace) -> None:
        time_told, duration_told = self._times_told()
        has_spans = self.tags.get(SPANS_LOCATION) == IN_DATABASE
        ends = []
        if self.execution_time_ms is not None:
            ends.append(self.timestamp_ms + self.execution_time_ms)
        if given.timestamp_ms is not None:
            self.timestamp_ms = given.timestamp_ms
            time_told = True
        lasted = given.execution_time_ms
        if lasted is not None and given.state not in OPEN:
            self.execution_time_ms = lasted
            duration_told = True
        elif not duration_told:
            if lasted is not None and (time_told or not has_spans):
                ends.append(self.timestamp_ms + lasted)
            self._last_until(ends)
        if self.execution_time_ms is not None:  # Searches add both.
            end = _stored_whole(self.timestamp_ms + self.execution_time_ms)
            self.execution_time_ms = _stored_whole(end - self.timestamp_ms)
        if not given.old:
            self._put_metadata(FINALIZED, _LACKS[time_told, duration_told])

    def _widen(self, spans: Sequence[SpanSummary]) -> None:
        """Let spans tell of the times what no client does."""
        time_told, duration_told = self._times_told()
        if time_told and duration_told:
            return
        ends = [each.end_ns // _MS for each in spans if each.end_ns is not None]
        if self.execution_time_ms is not None:
            ends.append(self.timestamp_ms + self.execution_time_ms)
        if not time_told:
            starts = [each.start_ns // _MS for each in spans]
            # Else a client has begun the trace without a time: what is stored stands for none.
            if FINALIZED not in self.metadata or SPANS_LOCATION in self.tags:
                starts.append(self.timestamp_ms)
            self.timestamp_ms = min(starts)
        if not duration_told:
            self._last_until(ends)
        if FINALIZED in self.metadata:
            self._put_metadata(FINALIZED, _LACKS[time_told, duration_told])

    def _last_until(self, ends: Sequence[int]) -> None:
        if ends:
            self.execution_time_ms = _stored_whole(max(max(ends) - self.timestamp_ms, 0))

    def _add_root(self, root: SpanSummary) -> None:
        if self.status in OPEN:
            self.status = "ERROR" if root.status == "ERROR" else "OK"
        if self.request_preview is None:
            self.request_preview = root.request_preview
        if self.response_preview is None:
            self.response_preview = root.response_preview
        self.name = self.name or root.trace_name
        for key, value in root.tags.items():
            # A client's own counts more, and that of what sent the spans counts less.
            known = self.tags.get(key)
            if FINALIZED not in self.metadata or known in (None, root.resource_tags.get(key)):
                self.put_tag(key, value)


def of_spans(spans: Sequence[SpanSummary], experiment_id: int) -> TraceState:
    """A new trace, to which these spans are going to be added."""
    first = min(each.start_ns for each in spans) // _MS
    return TraceState(spans[0].trace_id, experiment_id, first)


def of_start(given: StartTrace, experiment_id: int) -> TraceState:
    """A new trace that is going to start."""
    return TraceState(given.trace_id, experiment_id, given.timestamp_ms or 0)


def _stored_whole(number: int) -> int:
    """The number, or the nearest one that a column holds."""
    return min(max(number, -INT64_MAX - 1), INT64_MAX)


def _row(span: SpanSummary) -> Row:
    return Row(span.span_id, span.parent_id, span.usage or None, span.cost or None)


def _sorted(rows: Mapping[Any, Row]) -> list[Row]:
    return [rows[key] for key in sorted(rows)]


def _same(stored: float, summed: float | None) -> bool:
    return summed is not None and math.isclose(stored, summed, rel_tol=_CLOSE)
