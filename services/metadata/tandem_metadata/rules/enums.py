"""Enums of requests. Protobuf's JSON mapping lets clients give them by name or by number."""

from collections.abc import Mapping

from tandem_shared.errors import invalid_value

RUN_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
VIEW_TYPE = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}
METRIC_VIEW = {1: "TRACES", 2: "SPANS", 3: "ASSESSMENTS"}
AGGREGATION = {1: "COUNT", 2: "SUM", 3: "AVG", 4: "PERCENTILE", 5: "MIN", 6: "MAX"}
LOGGED_MODEL_STATUS = {
    0: "LOGGED_MODEL_STATUS_UNSPECIFIED",
    1: "LOGGED_MODEL_PENDING",
    2: "LOGGED_MODEL_READY",
    3: "LOGGED_MODEL_UPLOAD_FAILED",
}
"""The database stores these numbers."""
TRACE_STATE = {0: "STATE_UNSPECIFIED", 1: "OK", 2: "ERROR", 3: "IN_PROGRESS"}
OLD_TRACE_STATUS = {0: "TRACE_STATUS_UNSPECIFIED", 1: "OK", 2: "ERROR", 3: "IN_PROGRESS"}
"""The same, as clients up to MLflow 3.1 know them."""
ASSESSMENT_SOURCE = {0: "SOURCE_TYPE_UNSPECIFIED", 1: "HUMAN", 2: "LLM_JUDGE", 3: "CODE"}


def name_of(field: str, value: str | int, enum: Mapping[int, str]) -> str:
    """The name of an enum's value, given as a name, a number, or a number in a string.

    Raises InvalidParameter, naming the field and the accepted names, for any other value.
    """
    for number, name in enum.items():
        if value in (name, number, str(number)):
            return name
    names = ", ".join(enum.values())
    raise invalid_value(field, value, f"use one of {names}")
