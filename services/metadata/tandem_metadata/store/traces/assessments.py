"""Assessments of traces: made, read, changed and deleted one by one, and with the run behind them.

What changes an assessment locks its trace first, as saving the trace does, so that neither waits
for the other in turn.
"""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, Table, delete, literal, select, update
from sqlalchemy.exc import IntegrityError

from tandem_metadata.database import trace_schema
from tandem_metadata.database.tables.traces import assessments
from tandem_metadata.database.tables.tracking import runs
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.messages.assessments import Assessment, GivenAssessment
from tandem_metadata.store.dialect import bulk
from tandem_metadata.store.dialect.in_list import any_of
from tandem_metadata.store.traces import assessment_rows, load
from tandem_metadata.store.traces.assessment_rows import (
    EXPECTATION,
    FEEDBACK,
    ISSUE,
    SHOWN,
    Judgement,
    NewAssessment,
)
from tandem_shared.clock import now_ms
from tandem_shared.errors import AlreadyExists, InvalidParameter, NotFound, missing_value

FIELDS: Final = ("assessment_name", "feedback", "expectation", "rationale", "metadata")
"""What of an assessment can be changed."""

_ARTICLES: Final = {FEEDBACK: "feedback", EXPECTATION: "an expectation", ISSUE: "an issue"}
_COPIES: Final = UUID("5b0c9d1e-6a0f-5a51-9d55-0f6f3c3a7b42")
_SHOWN: Final = tuple(assessments.c[name] for name in SHOWN)


def create(conn: Connection, trace_id: str, given: GivenAssessment) -> Assessment:
    """Assess a trace; another assessment of it that this one overrides is not valid any more.

    Raises NotFound for an unknown trace or an overridden assessment that the trace has not,
    AlreadyExists for an id that is taken, and InvalidParameter for what cannot be stored.
    """
    new = assessment_rows.new(given, now_ms())
    schema = trace_schema.of(conn, fresh=True)
    trace = _lock(conn, trace_id)
    if trace is None:
        raise load.not_found(trace_id)
    if new.overrides:
        overridden = conn.execute(
            update(assessments).where(_is(trace_id, new.overrides)).values(valid=False)
        )
        if not overridden.rowcount:
            raise _not_found(trace_id, new.overrides)
    row = new.row(schema, trace_id, *trace)
    try:
        conn.execute(schema.assessments.insert().values(row))
    except IntegrityError:
        raise AlreadyExists(
            f"Assessment with ID '{new.id[:100]}' already exists; leave the ID out."
        ) from None
    return assessment_rows.assessment([row[name] for name in SHOWN])


class OfTrace(NamedTuple):
    """A new assessment, and its trace."""

    given: NewAssessment
    trace_id: str
    experiment_id: int
    timestamp_ms: int


def put(conn: Connection, schema: TraceSchema, new: Sequence[OfTrace]) -> None:
    """Store assessments of traces that exist, in place of those that have the same ids.

    One whose id is taken by another trace gets an id of its own, the same each time.
    """
    if not new:
        return
    taken = _traces_of(conn, {each.given.id for each in new})
    rows: dict[str, dict[str, Any]] = {}
    for given, trace_id, experiment_id, timestamp_ms in new:
        if taken.setdefault(given.id, trace_id) != trace_id:
            given = given.under(f"a-{uuid5(_COPIES, trace_id + given.id).hex}")
        rows[given.id] = given.row(schema, trace_id, experiment_id, timestamp_ms)
    made = [*rows.values()]
    columns = tuple(made[0])
    bulk.upsert(
        conn,
        schema.assessments,
        columns,
        [tuple(row.values()) for row in sorted(made, key=itemgetter("assessment_id"))],
        key=("assessment_id",),
    )


def _traces_of(conn: Connection, ids: Collection[str]) -> dict[str, str]:
    """The traces of those assessments that exist."""
    found = conn.execute(
        select(assessments.c.assessment_id, assessments.c.trace_id).where(
            any_of(conn, assessments.c.assessment_id, [*ids])
        )
    )
    return {row.assessment_id: row.trace_id for row in found}


def get(conn: Connection, trace_id: str, assessment_id: str) -> Assessment:
    """An assessment, valid or not; raises NotFound."""
    return assessment_rows.assessment(_row(conn, trace_id, assessment_id))


def change(
    conn: Connection,
    trace_id: str,
    assessment_id: str,
    given: GivenAssessment,
    fields: Collection[str],
) -> Assessment:
    """Change those of `FIELDS` that are named; metadata are added to what there is.

    Raises NotFound, and InvalidParameter for a value of another kind than the assessment is, and
    for what cannot be stored.
    """
    schema = trace_schema.of(conn, fresh=True)
    _lock(conn, trace_id)
    old = _row(conn, trace_id, assessment_id)
    values: dict[str, Any] = {"last_updated_timestamp": now_ms()}
    if "assessment_name" in fields:
        values["name"] = assessment_rows.checked_name(given, "assessment")
    if "rationale" in fields:
        values["rationale"] = given.rationale or ""
    if "metadata" in fields:
        merged = assessment_rows.metadata_of(old.assessment_metadata) | given.metadata
        values["assessment_metadata"] = assessment_rows.metadata_text(merged)
        values["run_id"] = assessment_rows.run_of(merged)
    if judged := _judged(old.assessment_type, given, fields):
        values |= {"value": judged.text, "error": judged.error}
        if schema.has_columns:
            values |= {"aggregate_value": judged.aggregate, "is_numeric_value": judged.is_numeric}
    conn.execute(
        schema.assessments.update()
        .where(_is(trace_id, assessment_id, schema.assessments))
        .values(values)
    )
    return get(conn, trace_id, assessment_id)


def remove(conn: Connection, trace_id: str, assessment_id: str) -> None:
    """Delete an assessment, if it exists; one that it overrides is valid again."""
    if _lock(conn, trace_id) is None:
        return
    overridden = conn.scalar(
        delete(assessments).where(_is(trace_id, assessment_id)).returning(assessments.c.overrides)
    )
    if overridden:
        conn.execute(update(assessments).where(_is(trace_id, overridden)).values(valid=True))


def remove_of_run(conn: Connection, run_id: str) -> None:
    """Delete the assessments that a run has made."""
    conn.execute(delete(assessments).where(assessments.c.run_id == run_id, _of_its_run()))


def remove_of_experiment(conn: Connection, number: int) -> None:
    """Delete the assessments that runs of an experiment have made, of whatever traces."""
    made_by = select(runs.c.run_uuid).where(runs.c.experiment_id == number)
    conn.execute(delete(assessments).where(assessments.c.run_id.in_(made_by), _of_its_run()))


def _of_its_run() -> Any:
    """Whether the metadata name the run too, by which MLflow's server decides.

    The column `run_id` has an index, but keeps the first run that was named.
    """
    named = literal(f'"{assessment_rows.SOURCE_RUN}": "') + assessments.c.run_id + literal('"')
    return assessments.c.assessment_metadata.contains(named)


def _judged(kind: str, given: GivenAssessment, fields: Collection[str]) -> Judgement | None:
    """The new value, None if it stays; raises InvalidParameter unless it is of that kind."""
    named = [each for each in (FEEDBACK, EXPECTATION) if each in fields]
    if len(named) > 1:
        raise InvalidParameter("Cannot specify both 'expectation' and 'feedback'; give one.")
    if not named:
        return None
    [only] = named
    if only != kind:
        raise InvalidParameter(
            f"Cannot update {only} value: the assessment is {_ARTICLES.get(kind, kind)}, which it "
            "stays."
        )
    if getattr(given, only) is None:
        raise missing_value(f"assessment.{only}")
    return assessment_rows.judgement(given, "assessment")


def _row(conn: Connection, trace_id: str, assessment_id: str) -> Row[Any]:
    row = conn.execute(select(*_SHOWN).where(_is(trace_id, assessment_id))).first()
    if row is None:
        if not load.experiments_of(conn, [trace_id]):
            raise load.not_found(trace_id)
        raise _not_found(trace_id, assessment_id)
    return row


def _lock(conn: Connection, trace_id: str) -> tuple[int, int] | None:
    """The trace's experiment and time, which stay until the transaction ends; None for no trace."""
    table = trace_schema.of(conn).trace_info
    chosen = select(table.c.experiment_id, table.c.timestamp_ms)
    row = conn.execute(
        chosen.where(table.c.request_id == trace_id).with_for_update(key_share=True)
    ).first()
    return None if row is None else (row.experiment_id, row.timestamp_ms)


def _is(trace_id: str, assessment_id: str, table: Table = assessments) -> Any:
    return (table.c.trace_id == trace_id) & (table.c.assessment_id == assessment_id)


def _not_found(trace_id: str, assessment_id: str) -> NotFound:
    return NotFound(
        f"Assessment with ID '{assessment_id[:100]}' not found for trace '{trace_id[:100]}'; check "
        "both IDs."
    )
