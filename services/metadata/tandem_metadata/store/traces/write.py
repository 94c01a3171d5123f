"""Writes what many requests change of traces, in as few statements as one request takes.

Each change has an outcome of its own. Those of one trace are made in their order.

Rows of `trace_info` are locked or created before anything else of their traces is read and
written: those that exist, sorted, and then new ones, sorted. A transaction that created some, and
then had to lock others, could deadlock: it is run again instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection

from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.messages.traces import OldTraceInfo, TraceInfo
from tandem_metadata.rules import artifact_locations
from tandem_metadata.spans.summary import SpanSummary
from tandem_metadata.store.traces import load, save, state, stored
from tandem_metadata.store.traces.changes import (
    ARCHIVED,
    DENIED,
    Change,
    EndTrace,
    Logged,
    LogSpans,
    StartTrace,
)
from tandem_metadata.store.traces.state import TraceState
from tandem_metadata.store.tracking import experiments
from tandem_shared.errors import ApiError, InvalidParameter, PermissionDenied

Outcome = Logged | TraceInfo | OldTraceInfo | ApiError
"""`LogSpans` has a `Logged`, the others have the trace as it is stored then, or an error."""

_IN_ARCHIVE: Final = "The trace is archived, and takes no more spans."


class TracesAppeared(Exception):
    """Others have created traces of these changes after the transaction had looked for them."""


class _Experiment(NamedTuple):
    number: int
    location: str


@dataclass(frozen=True, slots=True)
class _Part:
    """What one change is to one trace."""

    index: int
    change: Change
    spans: Sequence[SpanSummary] = ()


class _Made(NamedTuple):
    """A trace after its parts, None if it would not exist, and the parts that were refused."""

    state: TraceState | None
    refused: list[tuple[_Part, ApiError]]


def write(conn: Connection, changes: Sequence[Change]) -> list[Outcome]:
    """Make the changes; returns for each its outcome.

    An error is NotFound for an unknown experiment and for a trace that is to end and does not
    exist, InvalidParameter for an experiment that is deleted or has no such id, PermissionDenied
    for a trace that may not be written to. Of `LogSpans` only the spans of such traces are refused.
    Raises TracesAppeared: the transaction is to be rolled back, and the changes to be made again.
    """
    outcomes: dict[int, Outcome] = {}
    schema, known, traces = _look(conn, changes, outcomes)
    parts = _parts(changes, outcomes)
    made = _make(conn, schema, parts, known, traces)
    save.save(conn, schema, [each.state for each in made.values() if each.state])
    for each in made.values():
        for part, error in each.refused:
            if isinstance(part.change, LogSpans):
                logged = outcomes.setdefault(part.index, Logged())
                assert isinstance(logged, Logged)
                kind = DENIED if isinstance(error, PermissionDenied) else ARCHIVED
                logged.refuse(len(part.spans), error.message, kind)
            else:
                outcomes[part.index] = error
    _answer(conn, changes, outcomes)
    return [outcomes[index] for index in range(len(changes))]


def _make(
    conn: Connection,
    schema: TraceSchema,
    parts: Mapping[str, list[_Part]],
    known: Mapping[str, _Experiment],
    found: Mapping[str, TraceState],
) -> dict[str, _Made]:
    """All traces after their parts, created or locked, with nothing else written.

    `found` are those that are locked already. Raises TracesAppeared.
    """
    there = {each: found[each] for each in parts if each in found}
    made = {each: _apply(trace, parts[each], known) for each, trace in there.items()}
    changing = [each for each, trace in there.items() if trace.may_change_sums()]
    spans = stored.spans(conn, changing) if changing else {}
    for each in changing:
        there[each].sum_up(spans.get(each, ()))
    as_new = {each: _apply(None, parts[each], known) for each in sorted(parts.keys() - made.keys())}
    new = [each.state for each in as_new.values() if each.state]
    for trace in new:
        if trace.may_change_sums():
            trace.sum_up(())
    if len(stored.create(conn, schema, new)) < len(new):
        raise TracesAppeared
    return made | as_new


def _apply(
    trace: TraceState | None, parts: Sequence[_Part], known: Mapping[str, _Experiment]
) -> _Made:
    refused: list[tuple[_Part, ApiError]] = []
    for part in parts:
        change = part.change
        if isinstance(change, EndTrace):
            try:
                if trace is None:
                    raise load.not_found(change.trace_id)
                trace.end(change)
            except ApiError as error:
                refused.append((part, error))
            continue
        experiment = known[change.experiment_id]
        if trace and not _may_write(change, trace):
            refused.append((part, PermissionDenied("You may not write to a trace of that id.")))
            continue
        if isinstance(change, LogSpans):
            trace = trace or state.of_spans(part.spans, experiment.number)
            if trace.tags.get(state.SPANS_LOCATION) == state.IN_ARCHIVE:
                refused.append((part, InvalidParameter(_IN_ARCHIVE)))
                continue
            trace.add(part.spans, change.run_id)
        else:
            trace = trace or state.of_start(change, experiment.number)
            trace.start(change)
            trace.experiment_id = experiment.number
        if isinstance(change, StartTrace) or state.ARTIFACT_LOCATION not in trace.tags:
            location = artifact_locations.below(
                experiment.location, "traces", trace.trace_id, "artifacts"
            )
            trace.put_tag(state.ARTIFACT_LOCATION, location)
    return _Made(trace, refused)


def _may_write(change: LogSpans | StartTrace, trace: TraceState) -> bool:
    return change.may_write is None or change.may_write(str(trace.experiment_id))


def _parts(changes: Sequence[Change], outcomes: Mapping[int, Outcome]) -> dict[str, list[_Part]]:
    """The parts of the changes that have no outcome yet, by trace."""
    parts: dict[str, list[_Part]] = {}
    for index, change in enumerate(changes):
        if index in outcomes:
            continue
        if not isinstance(change, LogSpans):
            parts.setdefault(change.trace_id, []).append(_Part(index, change))
            continue
        spans: dict[str, list[SpanSummary]] = {}
        for span in change.spans:
            spans.setdefault(span.trace_id, []).append(span)
        for trace_id, own in spans.items():
            parts.setdefault(trace_id, []).append(_Part(index, change, own))
    return parts


def _look(
    conn: Connection, changes: Sequence[Change], outcomes: dict[int, Outcome]
) -> tuple[TraceSchema, dict[str, _Experiment], dict[str, TraceState]]:
    """What there is for traces, and the changes' experiments and traces, which are locked.

    Puts errors into `outcomes`.
    """
    named = {each.experiment_id for each in changes if not isinstance(each, EndTrace)}
    numbers: dict[str, int] = {}
    errors: dict[str, ApiError] = {}
    for experiment_id in named:
        try:
            numbers[experiment_id] = experiments.parse_id(conn, experiment_id)
        except ApiError as error:
            errors[experiment_id] = error
    found = stored.look(conn, sorted(set(numbers.values())), _trace_ids(changes))
    rows = found.experiments
    for index, change in enumerate(changes):
        if isinstance(change, EndTrace):
            continue
        stage, _ = rows.get(numbers.get(change.experiment_id, -1), (None, None))
        if isinstance(change, LogSpans) and stage is not None:
            stage = "active"  # A program may end its work in a deleted experiment.
        refused = errors.get(change.experiment_id)
        if refused := refused or experiments.refusal(change.experiment_id, stage):
            outcomes[index] = refused
    known = {
        experiment_id: _Experiment(number, rows[number][1] or "")
        for experiment_id, number in numbers.items()
        if number in rows
    }
    return found.schema, known, found.traces


def _trace_ids(changes: Sequence[Change]) -> set[str]:
    return {
        trace_id
        for change in changes
        for trace_id in (
            (span.trace_id for span in change.spans)
            if isinstance(change, LogSpans)
            else (change.trace_id,)
        )
    }


def _answer(conn: Connection, changes: Sequence[Change], outcomes: dict[int, Outcome]) -> None:
    """Fill in the outcomes of all changes that were made."""
    new: dict[int, str] = {}
    old: dict[int, str] = {}
    for index, change in enumerate(changes):
        if isinstance(change, LogSpans):
            outcomes.setdefault(index, Logged())
        elif index not in outcomes:
            is_old = isinstance(change, EndTrace) or change.old
            (old if is_old else new)[index] = change.trace_id
    infos = {each.trace_id: each for each in load.infos(conn, set(new.values()))} if new else {}
    old_infos = (
        {each.request_id: each for each in load.old_infos(conn, set(old.values()))} if old else {}
    )
    outcomes.update({index: infos[trace_id] for index, trace_id in new.items()})
    outcomes.update({index: old_infos[trace_id] for index, trace_id in old.items()})
