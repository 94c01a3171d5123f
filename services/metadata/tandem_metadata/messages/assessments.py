"""Messages of assessments: feedback, expectations and issues that traces are given."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class AssessmentSource(Struct, omit_defaults=True):
    """Who assessed."""

    source_type: str
    source_id: str | None = None


class AssessmentError(Struct, omit_defaults=True):
    """Why an assessment failed."""

    error_code: str
    error_message: str | None = None
    stack_trace: str | None = None


class Feedback(Struct, omit_defaults=True):
    """A value that somebody gives; any JSON, whose numbers are floating-point."""

    value: Any
    error: AssessmentError | None = None


class SerializedValue(Struct):
    """A list or an object as text."""

    value: str
    serialization_format: str = "JSON_FORMAT"


class Expectation(Struct, omit_defaults=True):
    """What the right answer is: a single value, or a list or an object as text."""

    value: Any | UnsetType = UNSET
    serialized_value: SerializedValue | UnsetType = UNSET


class Issue(Struct):
    """A problem of which a trace is an example; the assessment's name is the issue's id."""

    issue_name: str


class Assessment(Struct, omit_defaults=True):
    """An assessment in an answer; exactly one of feedback, expectation and issue is given."""

    assessment_id: str
    assessment_name: str
    trace_id: str
    source: AssessmentSource
    create_time: str
    last_update_time: str
    feedback: Feedback | None = None
    expectation: Expectation | None = None
    issue: Issue | None = None
    span_id: str | None = None
    rationale: str | None = None
    metadata: dict[str, str] = {}
    overrides: str | None = None
    valid: bool | None = None
