"""Assessments of requests as rows, and rows as assessments of answers.

JSON is stored as MLflow's server writes it, with spaces and escapes: its filters and its deletions
compare the text.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import structs

from tandem_metadata.database.tables.base import RUN_ID
from tandem_metadata.database.trace_schema import TraceSchema
from tandem_metadata.messages import times
from tandem_metadata.messages.assessments import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
    GivenAssessment,
    GivenError,
    GivenExpectation,
    GivenFeedback,
    Issue,
    SerializedValue,
)
from tandem_metadata.rules import json_numbers, limits
from tandem_metadata.rules.enums import ASSESSMENT_SOURCE
from tandem_metadata.spans.values import cut
from tandem_shared.errors import InvalidParameter, invalid_value, missing_value
from tandem_shared.wire.codec import json_double

FEEDBACK: Final = "feedback"
EXPECTATION: Final = "expectation"
ISSUE: Final = "issue"
"""What an assessment can be, as the column of its type calls it."""

SOURCE_RUN: Final = "mlflow.assessment.sourceRunId"
"""Metadata: the run that has made an assessment, with which it is deleted."""

SHOWN: Final = (
    "assessment_id",
    "trace_id",
    "name",
    "assessment_type",
    "value",
    "error",
    "created_timestamp",
    "last_updated_timestamp",
    "source_type",
    "source_id",
    "span_id",
    "rationale",
    "overrides",
    "valid",
    "assessment_metadata",
)
"""Columns of which `assessment` makes one."""

_ANALYTICS: Final = ("experiment_id", "trace_timestamp_ms", "aggregate_value", "is_numeric_value")

NAME: Final = 250
_SOURCE_ID: Final = 250
_ID: Final = 50
"""Characters of columns: of the last, those of assessments, spans, and what is overridden."""

_JSON_FORMAT: Final = "JSON_FORMAT"
_OLD_SOURCES: Final = {"AI_JUDGE": "LLM_JUDGE"}
_STACK_CHARACTERS: Final = 10_000
_CUT: Final = "[the beginning is left out]\n"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The value of an assessment, as columns hold it."""

    kind: str
    text: str
    aggregate: float | None
    is_numeric: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NewAssessment:
    """An assessment that a request makes, checked, without what its trace decides."""

    id: str
    name: str
    judgement: Judgement
    created: int
    updated: int
    source_type: str
    source_id: str | None
    span_id: str | None
    rationale: str | None
    overrides: str | None
    metadata: Mapping[str, str]

    def under(self, id: str) -> "NewAssessment":
        """The same with another id."""
        return replace(self, id=id)

    def row(
        self, schema: TraceSchema, trace_id: str, experiment_id: int, timestamp_ms: int
    ) -> dict[str, Any]:
        """Its columns, of those that the database has. The others are of the trace."""
        made: dict[str, Any] = {
            "assessment_id": self.id,
            "trace_id": trace_id,
            "name": self.name,
            "assessment_type": self.judgement.kind,
            "value": self.judgement.text,
            "error": self.judgement.error,
            "created_timestamp": self.created,
            "last_updated_timestamp": self.updated,
            "source_type": self.source_type,
            "source_id": self.source_id,
            "run_id": run_of(self.metadata),
            "span_id": self.span_id,
            "rationale": self.rationale,
            "overrides": self.overrides,
            "valid": True,
            "assessment_metadata": metadata_text(self.metadata),
        }
        if schema.has_columns:
            judged = self.judgement
            analytics = (experiment_id, timestamp_ms, judged.aggregate, judged.is_numeric)
            made |= zip(_ANALYTICS, analytics, strict=True)
        return made


def new(given: GivenAssessment, now: int, field: str = "assessment") -> NewAssessment:
    """What a request gives, at `now` in milliseconds unless it gives a time, under a new id or its.

    Raises InvalidParameter, naming parts of `field`, for what is no assessment, and for what cannot
    be stored.
    """
    source = given.source
    limits.check_text(f"{field}.assessment_id", given.assessment_id or "", _ID)
    for name in ("assessment_id", "span_id", "overrides"):
        limits.check_id(f"{field}.{name}", getattr(given, name) or "", _ID)
    source_id = (source and source.source_id) or None
    limits.check_length(f"{field}.source.source_id", source_id or "", _SOURCE_ID)
    return NewAssessment(
        id=given.assessment_id or f"a-{uuid4().hex}",
        name=checked_name(given, field),
        judgement=judgement(given, field),
        created=_time(given.create_time, f"{field}.create_time") or now,
        updated=_time(given.last_update_time, f"{field}.last_update_time") or now,
        source_type=_told_source("" if source is None else source.source_type),
        source_id=source_id,
        span_id=given.span_id or None,
        rationale=given.rationale or None,
        overrides=given.overrides or None,
        metadata=given.metadata,
    )


def shortened(given: GivenAssessment) -> GivenAssessment:
    """The assessment with its name, and with who made it, cut to what the columns hold.

    For where refusing it would lose more than itself.
    """
    source = given.source
    if source is not None and source.source_id:
        source = structs.replace(source, source_id=cut(source.source_id, _SOURCE_ID))
    name = cut(given.assessment_name, NAME)
    return structs.replace(given, assessment_name=name, source=source)


def checked_name(given: GivenAssessment, field: str) -> str:
    """The name, be it empty; raises InvalidParameter for a long one."""
    limits.check_length(f"{field}.assessment_name", given.assessment_name, NAME)
    return given.assessment_name


def judgement(given: GivenAssessment, field: str) -> Judgement:
    """The value, of whichever kind it is; raises InvalidParameter."""
    kinds = [
        name for name in (FEEDBACK, EXPECTATION, ISSUE) if getattr(given, name, None) is not None
    ]
    if len(kinds) > 1:
        raise InvalidParameter(
            f"Parameter '{field}' holds both {' and '.join(map(repr, kinds))}; give one of them."
        )
    if given.feedback is not None:
        return _feedback(given.feedback, f"{field}.feedback")
    if given.expectation is not None:
        return _expectation(given.expectation, f"{field}.expectation")
    if given.issue is not None:
        return Judgement(ISSUE, json.dumps({"issue_name": given.issue.issue_name}), None, False)
    raise InvalidParameter(
        f"Unknown assessment type: parameter '{field}' must hold 'feedback', 'expectation' or "
        "'issue'."
    )


def run_of(metadata: Mapping[str, str]) -> str | None:
    """The run that metadata name as the source."""
    named = metadata.get(SOURCE_RUN)
    return named if named and len(named) <= RUN_ID else None


def metadata_text(metadata: Mapping[str, str]) -> str | None:
    """Metadata as they are stored."""
    return json.dumps(dict(metadata)) if metadata else None


def metadata_of(text: str | None) -> dict[str, str]:
    """Stored metadata."""
    given = _parsed(text) if text else None
    return {key: str(value) for key, value in given.items()} if isinstance(given, dict) else {}


def assessment(row: Sequence[Any]) -> Assessment:
    """The assessment of a row of the columns `SHOWN`."""
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
        source=AssessmentSource(_stored_source(source_type), source_id),
        create_time=times.time(created),
        last_update_time=times.time(updated),
        span_id=span_id,
        rationale=rationale,
        metadata=metadata_of(metadata),
        overrides=overrides or None,
        valid=bool(valid),
    )
    parsed = _parsed(value)
    if kind == EXPECTATION:
        made.expectation = _shown_expectation(parsed, value)
    elif kind == ISSUE:
        named = parsed.get("issue_name") if isinstance(parsed, dict) else None
        made.issue = Issue(str(named or ""))
    else:
        made.feedback = Feedback(_as_doubles(parsed), _shown_error(error))
    return made


def _feedback(given: GivenFeedback, field: str) -> Judgement:
    value = _doubles(given.value, f"{field}.value")
    return Judgement(FEEDBACK, json.dumps(value), *aggregate(value), error=_error(given.error))


def _expectation(given: GivenExpectation, field: str) -> Judgement:
    if (serialized := given.serialized_value) is None:
        value = _doubles(given.value, f"{field}.value")
    elif given.value is not None:
        raise InvalidParameter(
            f"Parameter '{field}' holds both 'value' and 'serialized_value'; give one of them."
        )
    elif serialized.serialization_format != _JSON_FORMAT:
        raise invalid_value(
            f"{field}.serialized_value.serialization_format",
            serialized.serialization_format,
            f"Unknown serialization format; use {_JSON_FORMAT}",
        )
    else:
        value = _read(serialized.value, f"{field}.serialized_value.value")
    if value is None:
        raise missing_value(f"{field}.value")
    return Judgement(EXPECTATION, json.dumps(value), *aggregate(value))


def _read(text: str, field: str) -> Any:
    try:
        value = json_numbers.parsed_as_python_writes(text)
    except json_numbers.NotFinite:
        raise _not_finite(field) from None
    except (ValueError, RecursionError):
        raise invalid_value(field, text, "it must be JSON that is not nested deeply") from None
    if not isinstance(value, (list, dict)):  # They are shown as their text, whatever it holds.
        _doubles(value, field)
    return value


def aggregate(value: Any) -> tuple[float | None, bool]:
    """The number for which a value stands in charts, and whether the value is that number."""
    match value:
        case bool():
            return float(value), False
        case int() | float():
            number = _double(value)
            return (number, True) if math.isfinite(number) else (None, False)
        case str() if (word := value.strip().lower()) in ("yes", "no"):
            return float(word == "yes"), False
    return None, False


def _error(given: GivenError | None) -> str | None:
    if given is None:
        return None
    return json.dumps(
        {
            "error_code": given.error_code,
            "error_message": given.error_message or None,
            "stack_trace": given.stack_trace or None,
        }
    )


def _told_source(given: str | int) -> str:
    found = (
        name for number, name in ASSESSMENT_SOURCE.items() if given in (name, number, str(number))
    )
    return next(found, ASSESSMENT_SOURCE[0])


def _stored_source(stored: str) -> str:
    name = _OLD_SOURCES.get(stored.upper(), stored.upper())
    return name if name in ASSESSMENT_SOURCE.values() else ASSESSMENT_SOURCE[0]


def _time(given: str | None, field: str) -> int | None:
    return times.time_ms(given, field) if given else None


def _shown_expectation(parsed: Any, text: str) -> Expectation:
    if isinstance(parsed, (list, dict)):
        return Expectation(serialized_value=SerializedValue(text))
    return Expectation(value=_as_doubles(parsed))


def _shown_error(text: str | None) -> AssessmentError | None:
    given = _parsed(text) if text else None
    if not isinstance(given, dict):
        return None
    stack = given.get("stack_trace") or None
    if stack and len(stack) > _STACK_CHARACTERS:
        stack = _CUT + stack[len(_CUT) - _STACK_CHARACTERS :]
    return AssessmentError(
        str(given.get("error_code") or ""), given.get("error_message") or None, stack
    )


def _parsed(text: str) -> Any:
    """What JSON text holds; the text itself if it is none, or more than can be read."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(text)  # NaN and Infinity, which MLflow's server writes
    except (ValueError, RecursionError):
        return text


def _doubles(value: Any, field: str) -> Any:
    """A value whose numbers are doubles, as protobuf's `Value` has them.

    Raises InvalidParameter for a number that is no finite one.
    """
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: _doubles(each, field) for key, each in value.items()}
    if isinstance(value, list):
        return [_doubles(each, field) for each in value]
    if not math.isfinite(number := _double(value)):
        raise _not_finite(field)
    return number


def _not_finite(field: str) -> InvalidParameter:
    return InvalidParameter(
        f"Parameter '{field}' holds a number that is not finite, or beyond all doubles; give it as "
        "a string."
    )


def _as_doubles(value: Any) -> Any:
    """The same of a stored value; NaN and the infinities become strings."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: _as_doubles(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_doubles(each) for each in value]
    return json_double(_double(value))


def _double(number: int | float) -> float:
    """The number as a double, which is infinite for an integer beyond all others."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
