"""Messages of assessments: feedback, expectations and issues that traces are given."""

from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType

from tandem_metadata.messages.experiments import EnumValue


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


class GivenSource(Struct):
    """Who assessed, as a request tells."""

    source_type: EnumValue = ""
    source_id: str | None = None


class GivenError(Struct):
    """Why an assessment failed, as a request tells."""

    error_code: str = ""
    error_message: str | None = None
    stack_trace: str | None = None


class GivenFeedback(Struct):
    """A value that somebody gives."""

    value: Any = None
    error: GivenError | None = None


class GivenSerializedValue(Struct):
    """A list or an object as text."""

    value: str = ""
    serialization_format: str = ""


class GivenExpectation(Struct):
    """What the right answer is, in one of the two forms."""

    value: Any = None
    serialized_value: GivenSerializedValue | None = None


class GivenIssue(Struct):
    """A problem of which a trace is an example."""

    issue_name: str = ""


class GivenAssessment(Struct):
    """An assessment in a request: of feedback, expectation and issue, one is to be given."""

    assessment_id: str | None = None
    assessment_name: str = ""
    source: GivenSource | None = None
    create_time: str | None = None
    last_update_time: str | None = None
    feedback: GivenFeedback | None = None
    expectation: GivenExpectation | None = None
    issue: GivenIssue | None = None
    span_id: str | None = None
    rationale: str | None = None
    metadata: dict[str, str] = {}
    overrides: str | None = None


class CreateAssessment(Struct):
    """Request that assesses a trace, which the path names."""

    REPLACES_UNSTORABLE: ClassVar[bool] = True
    trace_id: str = ""
    assessment: GivenAssessment | None = None


class UpdateAssessment(Struct):
    """Request that changes an assessment, which the path names."""

    REPLACES_UNSTORABLE: ClassVar[bool] = True
    trace_id: str = ""
    assessment_id: str = ""
    assessment: GivenAssessment | None = None
    update_mask: Any = None
    """Names of fields: in camel case with commas between them, or in a list `paths`."""


class GetAssessment(Struct):
    """Request for an assessment, which the path names."""

    trace_id: str = ""
    assessment_id: str = ""


class DeleteAssessment(Struct):
    """Request that deletes an assessment, which the path names."""

    trace_id: str = ""
    assessment_id: str = ""


class AssessmentResponse(Struct):
    """Answer of requests that make, read or change an assessment."""

    assessment: Assessment
