"""The errors a service may answer with, each with MLflow's error code and its HTTP status.

The codes and statuses are those of MLflow's REST API: clients branch on `error_code`. Programs also
look for parts of MLflow's sentences ("not found", "already exists"): ours hold the same phrases.
"""

import json
from typing import ClassVar, Final

HTTP_STATUS: Final[dict[str, int]] = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_SHOWN: Final = 100
"""The most characters of a client's value that an error repeats."""


class ApiError(Exception):
    """An error that reaches the client as `{"error_code": code, "message": message}`.

    The message is shown to people: it says what to change and never carries a secret, a
    database URI or a path of the server.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        """For the operator, in the log only: it may name paths and addresses."""
        self.retry_after = retry_after
        """Seconds of the Retry-After header; None for no header."""
        self.status = HTTP_STATUS[self.code] if status is None else status
        """HTTP status: the code's own, or a closer one of HTTP's, such as 413 or 416."""


class BadRequest(ApiError):
    """The HTTP request itself is not usable: its content type, its length, its method."""

    code = "BAD_REQUEST"


class InvalidParameter(ApiError):
    """A field of the request has a value that cannot be accepted."""

    code = "INVALID_PARAMETER_VALUE"


def invalid_value(field: str, value: object, reason: str) -> InvalidParameter:
    """The error for a value of the request, which it shows as JSON; the reason says what to change.

    The value is anything that JSON can hold.
    """
    if isinstance(value, str):
        shown = json.dumps(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    else:
        shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return InvalidParameter(f"Invalid value {shown} for parameter '{field}' supplied: {reason}.")


def missing_value(field: str, help: str = "") -> InvalidParameter:
    """The error for a required field that is missing or empty; `help` says what it may be."""
    explained = f": {help}" if help else ""
    return InvalidParameter(f"Missing value for required parameter '{field}'{explained}.")


class Unauthenticated(ApiError):
    """Nobody, or nobody known, sends the request; the answer says how to sign in."""

    code = "UNAUTHENTICATED"

    def __init__(
        self,
        message: str,
        challenge: str = 'Basic realm="mlflow", charset="UTF-8"',
        *,
        status: int | None = None,
        location: str | None = None,
    ) -> None:
        super().__init__(message, status=status)
        self.challenge = challenge
        """The WWW-Authenticate header."""
        self.location = location
        """Where a browser logs in, to which the answer redirects it."""


class AlreadyExists(ApiError):
    """A resource of that name or id exists already."""

    code = "RESOURCE_ALREADY_EXISTS"


class PermissionDenied(ApiError):
    """The request is understood and refused."""

    code = "PERMISSION_DENIED"

    def __init__(self, message: str, *, status: int | None = None, user: str = "") -> None:
        super().__init__(message, status=status)
        self.user = user
        """Who is refused, where another service has found that out; for the audit log."""


class EndpointNotFound(ApiError):
    """No endpoint has that path."""

    code = "ENDPOINT_NOT_FOUND"


class NotFound(ApiError):
    """The run, experiment or artifact that the request names does not exist."""

    code = "RESOURCE_DOES_NOT_EXIST"


class InvalidState(ApiError):
    """The resource exists but is in a state that rules the request out."""

    code = "INVALID_STATE"


class NotSupported(ApiError):
    """The service does not implement what was asked."""

    code = "NOT_IMPLEMENTED"


class Unavailable(ApiError):
    """A database or store does not answer now; the same request may work later."""

    code = "TEMPORARILY_UNAVAILABLE"


class Internal(ApiError):
    """A fault of the service."""

    code = "INTERNAL_ERROR"
