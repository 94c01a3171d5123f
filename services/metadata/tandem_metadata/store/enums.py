"""The enums of requests, which protobuf's JSON mapping lets clients give by name or by number."""

from collections.abc import Mapping

from tandem_shared.errors import InvalidParameter

RUN_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
VIEW_TYPE = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}


def name_of(field: str, value: str | int, enum: Mapping[int, str]) -> str:
    """The name of an enum's value.

    Raises InvalidParameter, naming the field and what it may be, for any other value.
    """
    if isinstance(value, str) and value in enum.values():
        return value
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, int) and number in enum:
        return enum[number]
    names = ", ".join(enum.values())
    raise InvalidParameter(f"Invalid value {value!r} for parameter '{field}': use one of {names}.")
