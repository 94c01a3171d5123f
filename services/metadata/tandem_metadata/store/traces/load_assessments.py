"""Assessments as answers have them, read for many traces at once."""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from tandem_metadata.database.direct import fetch_tuples
from tandem_metadata.messages import times
from tandem_metadata.messages.assessments import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
    Issue,
    SerializedValue,
)
from tandem_metadata.store.dialect.texts import given_texts, rows_of
from tandem_shared.wire.codec import json_double

COLUMNS: Final = (
    "assessment_id, trace_id, name, assessment_type, value, error, created_timestamp, "
    "last_updated_timestamp, source_type, source_id, span_id, rationale, overrides, valid, "
    "assessment_metadata"
)
"""What `assessment` makes one of."""

_SOURCES: Final = frozenset({"HUMAN", "LLM_JUDGE", "CODE"})
_OLD_SOURCES: Final = {"AI_JUDGE": "LLM_JUDGE"}
_STACK_CHARACTERS: Final = 1000
_CUT: Final = "[the beginning is left out]\n"


def of_traces(conn: Connection, trace_ids: Collection[str]) -> dict[str, list[Assessment]]:
    """All assessments of each trace, the oldest first; those that are overridden are not valid."""
    statement = (
        f"SELECT {COLUMNS} {rows_of(conn, 'assessments', 'trace_id')} "
        "ORDER BY created_timestamp, assessment_id"
    )
    found: dict[str, list[Assessment]] = defaultdict(list)
    for row in fetch_tuples(conn, statement, given_texts(conn, trace_ids)):
        found[row[1]].append(assessment(row))
    return found


def assessment(row: Sequence[Any]) -> Assessment:
    """The assessment of a row of `COLUMNS`."""
    (
        assessment_id,
        trace_id,
        name,
        kind,
        value,
        error,
        created,
        updated,
        source_type,
        source_id,
        span_id,
        rationale,
        overrides,
        valid,
        metadata,
    ) = row
    made = Assessment(
        assessment_id=assessment_id,
        assessment_name=name,
        trace_id=trace_id,
        source=AssessmentSource(_source(source_type), source_id),
        create_time=times.time(created),
        last_update_time=times.time(updated),
        span_id=span_id,
        rationale=rationale,
        metadata=_metadata(metadata),
        overrides=overrides or None,
        valid=bool(valid),
    )
    parsed = _parsed(value)
    if kind == "expectation":
        made.expectation = _expectation(parsed, value)
    elif kind == "issue":
        named = parsed.get("issue_name") if isinstance(parsed, dict) else None
        made.issue = Issue(str(named or ""))
    else:
        made.feedback = Feedback(_as_doubles(parsed), _error(error))
    return made


def _expectation(parsed: Any, text: str) -> Expectation:
    if isinstance(parsed, (list, dict)):
        return Expectation(serialized_value=SerializedValue(text))
    return Expectation(value=_as_doubles(parsed))


def _error(text: str | None) -> AssessmentError | None:
    given = _parsed(text) if text else None
    if not isinstance(given, dict):
        return None
    stack = given.get("stack_trace") or None
    if stack and len(stack) > _STACK_CHARACTERS:
        stack = _CUT + stack[len(_CUT) - _STACK_CHARACTERS :]
    return AssessmentError(
        str(given.get("error_code") or ""), given.get("error_message") or None, stack
    )


def _metadata(text: str | None) -> dict[str, str]:
    given = _parsed(text) if text else None
    return {key: str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def _source(stored: str) -> str:
    name = _OLD_SOURCES.get(stored.upper(), stored.upper())
    return name if name in _SOURCES else "SOURCE_TYPE_UNSPECIFIED"


def _parsed(text: str) -> Any:
    """What JSON text holds; the text itself if it is none."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        pass
    try:
        return json.loads(text)  # NaN and Infinity, which MLflow's server writes
    except ValueError:
        return text


def _as_doubles(value: Any) -> Any:
    """The same with all numbers as doubles, as protobuf's `Value` has them."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: _as_doubles(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_doubles(each) for each in value]
    try:
        return json_double(float(value))
    except OverflowError:
        return json_double(math.copysign(math.inf, value))
