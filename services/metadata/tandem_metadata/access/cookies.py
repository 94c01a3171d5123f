"""Cookies: the session of a browser, and the login that it has begun."""

from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from tandem_shared.http.exchange import request_header

_SESSION: Final = "tandem-session"
_LOGIN: Final = "tandem-login"
_HOST: Final = "__Host-"
"""Browsers take a cookie of this prefix over TLS alone, for all paths, and of no other host."""


class Cookies:
    """Reads and sets both; `secure` is for services that browsers reach over TLS."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        prefix = _HOST if secure else ""
        self._session = prefix + _SESSION
        self._login = prefix + _LOGIN

    def session(self, scope: Scope) -> str | None:
        """The id of the session, if the browser has one."""
        return _read(scope, self._session)

    def login(self, scope: Scope) -> str | None:
        """The id of the login under way, if the browser has begun one."""
        return _read(scope, self._login)

    def set_session(self, response: Response, session_id: str, seconds: int) -> None:
        """Keep a session in the browser, and forget its login."""
        self._set(response, self._session, session_id, seconds)
        self._set(response, self._login, "", 0)

    def set_login(self, response: Response, login_id: str, seconds: int) -> None:
        """Keep a login in the browser."""
        self._set(response, self._login, login_id, seconds)

    def forget(self, response: Response) -> None:
        """Remove the session from the browser."""
        self._set(response, self._session, "", 0)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )


def _read(scope: Scope, name: str) -> str | None:
    header = request_header(scope, b"cookie")
    if name not in header:
        return None
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return found.value if found and found.value else None
