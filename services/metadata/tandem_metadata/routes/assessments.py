"""Endpoints of assessments: feedback, expectations and issues that traces are given."""

from typing import Any, Final

from tandem_metadata.access import assessment_rules as rules
from tandem_metadata.database import Connection
from tandem_metadata.messages import assessments as messages
from tandem_metadata.routes.endpoint import READ, RETRIED_WRITE, Endpoint
from tandem_metadata.store.traces import assessments
from tandem_shared.errors import invalid_value, missing_value

_PATHS: Final = {
    "".join(part if place == 0 else part.capitalize() for place, part in enumerate(each)): name
    for name in assessments.FIELDS
    for each in [name.split("_")]
}
"""Fields by their names in an update mask."""


def create(conn: Connection, request: messages.CreateAssessment) -> messages.AssessmentResponse:
    """Assess a trace."""
    if request.assessment is None:
        raise missing_value("assessment")
    return messages.AssessmentResponse(
        assessments.create(conn, request.trace_id, request.assessment)
    )


def get(conn: Connection, request: messages.GetAssessment) -> messages.AssessmentResponse:
    """Read an assessment."""
    return messages.AssessmentResponse(
        assessments.get(conn, request.trace_id, request.assessment_id)
    )


def update(conn: Connection, request: messages.UpdateAssessment) -> messages.AssessmentResponse:
    """Change an assessment."""
    if request.assessment is None:
        raise missing_value("assessment")
    changed = assessments.change(
        conn,
        request.trace_id,
        request.assessment_id,
        request.assessment,
        _fields(request.update_mask),
    )
    return messages.AssessmentResponse(changed)


def delete(conn: Connection, request: messages.DeleteAssessment) -> None:
    """Delete an assessment."""
    assessments.remove(conn, request.trace_id, request.assessment_id)


def _fields(mask: Any) -> set[str]:
    """The fields that a mask names; raises InvalidParameter."""
    match mask:
        case str() if mask:
            given = [_PATHS.get(each) for each in mask.split(",")]
        case {"paths": [*paths]}:
            given = [each if each in assessments.FIELDS else None for each in paths]
        case None | "":
            given = []
        case _:
            given = [None]
    if not given:
        raise missing_value("update_mask", f"name what changes, of {', '.join(_PATHS)}")
    fields = {each for each in given if each}
    if None in given:
        raise invalid_value(
            "update_mask", mask, f"use names with commas between them, of {', '.join(_PATHS)}"
        )
    return fields


_OF_TRACE: Final = "3.0/mlflow/traces/{trace_id}/assessments"
_ONE: Final = f"{_OF_TRACE}/{{assessment_id}}"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        _OF_TRACE,
        messages.CreateAssessment,
        RETRIED_WRITE,
        create,
        rules.CREATE,
    ),
    Endpoint("GET", _ONE, messages.GetAssessment, READ, get, rules.READ),
    Endpoint("PATCH", _ONE, messages.UpdateAssessment, RETRIED_WRITE, update, rules.CHANGE),
    Endpoint("DELETE", _ONE, messages.DeleteAssessment, RETRIED_WRITE, delete, rules.DELETE),
]
