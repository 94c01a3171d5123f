"""Tokens of Google's IAM for Cloud SQL: access tokens of the process's identity.

google-auth finds it: a service account of the pod (Workload Identity) or of the machine, or what
GOOGLE_APPLICATION_CREDENTIALS names. It is the extra `gcp`.
"""

import datetime
from functools import partial
from typing import Any, Final

from tandem_metadata.database.login.tokens import LoginFailed, Token
from tandem_shared.settings import SettingsError

_SCOPE: Final = "https://www.googleapis.com/auth/sqlservice.login"
_TIMEOUT: Final = 5  # seconds for each attempt


class CloudSqlTokens:
    """Tokens for whatever database the identity may log in to."""

    refused = (
        "The user needs to be an IAM user of the instance, with roles/cloudsql.instanceUser, and "
        "the instance cloudsql.iam_authentication turned on; the user of a service account is its "
        "address without .gserviceaccount.com"
    )

    def __init__(self) -> None:
        """Raises SettingsError without google-auth."""
        try:
            import google.auth
            import google.auth.transport.requests  # noqa: F401
        except ImportError:
            raise SettingsError(
                "--db-auth gcp-iam needs google-auth: pip install 'tandem-metadata[gcp]'. The "
                "images have it."
            ) from None
        self._credentials: Any = None

    def fetch(self) -> Token:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        request: Any = partial(Request(), timeout=_TIMEOUT)
        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[_SCOPE], request=request)
            self._credentials.refresh(request)
        except GoogleAuthError as error:
            why = " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
            raise LoginFailed(
                f"Google gives no token: {why}. Give the service an identity, as by Workload "
                "Identity, and let it reach the metadata server"
            ) from error
        return Token(self._credentials.token, _seconds_until(self._credentials.expiry))


def _seconds_until(expiry: datetime.datetime | None) -> float:
    """From now; google-auth's times are of UTC, and say so nowhere."""
    if expiry is None:
        return 0.0
    now = datetime.datetime.now(datetime.UTC)
    return max(0.0, (expiry.replace(tzinfo=datetime.UTC) - now).total_seconds())
