"""Traces on their way into the database."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from tandem_metadata.database import trace_schema
from tandem_metadata.database.tables.traces import trace_info
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.messages.assessments import GivenAssessment
from tandem_metadata.messages.traces import COST, NAME, SESSION, TOKEN_USAGE
from tandem_metadata.spans import document, keys
from tandem_metadata.spans.document import value_of
from tandem_metadata.spans.summary import cost_of, summarise_all, usage_of
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.traces import assessment_rows, save, stored
from tandem_metadata.store.traces.state import (
    ARTIFACT_LOCATION,
    IN_DATABASE,
    OPEN,
    SPANS_LOCATION,
    TraceState,
)
from tandem_metadata.transfer.file_store import traces
from tandem_metadata.transfer.file_store.documents import clean
from tandem_metadata.transfer.file_store.records import Assessment, Trace
from tandem_metadata.transfer.from_files.locations import Locations
from tandem_metadata.transfer.from_files.texts import Texts
from tandem_metadata.transfer.report import Report
from tandem_shared.errors import ApiError

SPANS: Final = "spans"
IN_PROGRESS: Final = "IN_PROGRESS"

MOST: Final = 500
"""Traces that are looked up together."""

MOST_CHARACTERS: Final = 8_000_000
"""Characters of spans that are written together, but for a single trace that has more."""


def known(conn: Connection, trace_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Experiment and state of those traces that the database has."""
    columns = trace_info.c
    found = conn.execute(
        select(columns.request_id, columns.experiment_id, columns.status).where(
            any_of(conn, columns.request_id, trace_ids)
        )
    )
    return {row.request_id: (row.experiment_id, row.status) for row in found}


class TraceWriter:
    """Writes traces of one experiment."""

    def __init__(self, number: int, locations: Locations, texts: Texts, report: Report) -> None:
        self._number = number
        self._locations = locations
        self._texts = texts
        self._report = report

    def put(self, conn: Connection | None, new: Sequence[Trace], ended: Sequence[Trace]) -> None:
        """Write new traces, and what is new of those that were in progress."""
        states = {each.trace_id: self._state(each) for each in new}
        self._report.imported(traces.TRACES, len(states))
        written = [*new, *ended]
        for kind, counted in (
            (traces.TAGS, sum(len(each.tags) for each in written)),
            (traces.METADATA, sum(len(each.metadata) for each in written)),
        ):
            self._report.found(kind, counted)
            self._report.imported(kind, counted)
        if conn is None:
            self._put_assessments(None, None, written)
            return
        schema = trace_schema.of(conn, fresh=True)
        locked = stored.lock(conn, schema, [*states, *(each.trace_id for each in ended)])
        missing = [state for trace_id, state in states.items() if trace_id not in locked]
        created = stored.create(conn, schema, missing)
        changed = [state for state in missing if state.trace_id in created]
        for each in ended:
            if state := locked.get(each.trace_id):
                self._end(state, each)
                changed.append(state)
        save.save(conn, schema, changed)
        self._put_assessments(conn, schema, written)

    def _state(self, trace: Trace) -> TraceState:
        info = self._texts

        def fit(column: str, text: str | None) -> str | None:
            return info.fit_or_none("trace_info", column, text, traces.TRACES, trace.path)

        state = TraceState(
            trace_id=fit("request_id", trace.trace_id) or trace.trace_id,
            experiment_id=self._number,
            timestamp_ms=trace.timestamp_ms,
            execution_time_ms=trace.execution_time_ms,
            status=trace.state,
            client_request_id=fit("client_request_id", trace.client_request_id),
            request_preview=fit("request_preview", trace.request_preview),
            response_preview=fit("response_preview", trace.response_preview),
        )
        self._tell(state, trace)
        self._add_spans(state, trace)
        return state

    def _end(self, state: TraceState, trace: Trace) -> None:
        state.execution_time_ms = trace.execution_time_ms
        if trace.state not in OPEN:
            state.status = trace.state
        state.request_preview = state.request_preview or trace.request_preview
        state.response_preview = state.response_preview or trace.response_preview
        self._tell(state, trace)
        self._add_spans(state, trace)

    def _add_spans(self, state: TraceState, trace: Trace) -> None:
        """Put the spans into the database, if it could tell them from those of other traces.

        Those of MLflow 2 have ids of another form. They stay among the artifacts.
        """
        try:
            spans = summarise_all([document.decode(each) for each in trace.spans])
        except document.Unreadable:
            return
        if not spans or {each.trace_id for each in spans} != {state.trace_id}:
            return
        state.spans = {each.span_id: each for each in spans}
        state.put_tag(SPANS_LOCATION, IN_DATABASE)
        self._report.found(SPANS, len(state.spans))
        self._report.imported(SPANS, len(state.spans))

    def _tell(self, state: TraceState, trace: Trace) -> None:
        """Tags and metadata; the database has some of them as columns."""
        tags, metadata = dict(trace.tags), dict(trace.metadata)
        if (location := tags.get(ARTIFACT_LOCATION)) is not None:
            tags[ARTIFACT_LOCATION] = self._locations.of(location)
        state.name = state.name or self._column("trace_name", tags.pop(NAME, None), trace)
        state.session = state.session or self._column(
            "session_id", metadata.pop(SESSION, None), trace
        )
        if tokens := usage_of({keys.USAGE: value_of(metadata.get(TOKEN_USAGE))}):
            state.tokens = tokens
            del metadata[TOKEN_USAGE]
        if costs := cost_of({keys.COST: value_of(metadata.get(COST))}):
            state.costs = costs
            del metadata[COST]
        for key, value in self._keyed("trace_tags", tags, traces.TAGS, trace).items():
            if key not in state.tags:
                state.put_tag(key, value)
        state.new_metadata |= self._keyed(
            "trace_request_metadata", metadata, traces.METADATA, trace
        )

    def _column(self, column: str, text: str | None, trace: Trace) -> str | None:
        return self._texts.fit_or_none("trace_info", column, text, traces.TRACES, trace.path)

    def _keyed(self, table: str, given: dict[str, str], kind: str, trace: Trace) -> dict[str, str]:
        return self._texts.fit_all(table, given, kind, trace.path, "key", "value")

    def _put_assessments(
        self, conn: Connection | None, schema: TraceSchema | None, given: Sequence[Trace]
    ) -> None:
        rows: list[dict[str, Any]] = []
        count = 0
        for trace in given:
            for each in trace.assessments:
                self._report.found(traces.ASSESSMENTS)
                made = self._assessment(each, trace)
                if made is None:
                    continue
                count += 1
                if schema is not None:
                    row = made.row(schema, trace.trace_id, self._number, trace.timestamp_ms)
                    rows.append({**row, "valid": each.document.get("valid") is not False})
        written = count
        if conn is not None and schema is not None and rows:
            written = bulk.insert(conn, schema.assessments, rows, bulk.UNLESS_THERE)
        self._report.imported(traces.ASSESSMENTS, written)
        self._report.already_there(traces.ASSESSMENTS, count - written)

    def _assessment(self, given: Assessment, trace: Trace) -> assessment_rows.NewAssessment | None:
        cleaned = _cleaned(given.document)
        for name in ("create_time", "last_update_time"):
            if name in cleaned and not isinstance(cleaned[name], str):
                del cleaned[name]
        try:
            made = assessment_rows.new(
                msgspec.convert(cleaned, GivenAssessment, strict=False), trace.timestamp_ms
            )
        except (ApiError, msgspec.ValidationError) as error:
            reason = error.message if isinstance(error, ApiError) else str(error)
            self._report.skip(traces.ASSESSMENTS, given.path, reason)
            return None
        if not cleaned.get("assessment_id"):
            self._report.skip(traces.ASSESSMENTS, given.path, "it has no id")
            return None
        return made


def _cleaned(value: Any) -> Any:
    """A document whose texts a database can store."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return value
