"""Logging in and out of the web UI, at the identity provider."""

import html
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tandem_metadata.access.authentication import Authenticator
from tandem_metadata.access.cookies import Cookies
from tandem_metadata.access.logins import CALLBACK
from tandem_metadata.routes.plain_pages import NO_STORE, page
from tandem_metadata.store.accounts.sessions import LOGIN_MS
from tandem_shared.auth.rules import Rule
from tandem_shared.errors import ApiError
from tandem_shared.http.router import Route

_LONGEST_NEXT: Final = 2000
_ANYONE: Final = Rule("anyone; there with `--auth oidc` alone", public=True)
_SIGNED_IN: Final = Rule("any user; there with `--auth oidc` alone")


def routes(
    authenticator: Authenticator, cookies: Cookies, prefix: str, session_seconds: int
) -> list[Route]:
    """`/login`, the provider's way back, and `/logout`; none without an identity provider.

    `prefix` is `--static-prefix`.
    """
    logins = authenticator.logins
    if logins is None:
        return []

    async def login(request: Request) -> Response:
        url, login_id = await logins.begin(_safe(request.query_params.get("next", ""), prefix))
        answer = RedirectResponse(url, 303, NO_STORE)
        cookies.set_login(answer, login_id, LOGIN_MS // 1000)
        return answer

    async def callback(request: Request) -> Response:
        query = request.query_params
        if refusal := query.get("error"):
            said = query.get("error_description") or refusal
            return _failure("The login has failed", said[:300], prefix, 401)
        try:
            opened = await logins.end(
                cookies.login(request.scope), query.get("state", ""), query.get("code", "")
            )
        except ApiError as error:
            return _failure("The login has failed", error.message, prefix, error.status)
        answer = RedirectResponse(opened.next, 303, NO_STORE)
        cookies.set_session(answer, opened.session_id, session_seconds)
        return answer

    async def ask(_: Request) -> Response:
        form = f"<form method=post action='{prefix}/logout'><button>Log out</button></form>"
        return page("Log out", form, form=True)

    async def logout(request: Request) -> Response:
        session_id = cookies.session(request.scope)
        url = None
        if session_id:
            url = await logins.log_out(session_id)
            authenticator.changed.note()
        answer = RedirectResponse(url or f"{prefix}/login", 303, NO_STORE)
        cookies.forget(answer)
        return answer

    return [
        Route("GET", "/login", login, _ANYONE),
        Route("GET", CALLBACK, callback, _ANYONE),
        Route("GET", "/logout", ask, _ANYONE),
        Route("POST", "/logout", logout, _SIGNED_IN),
    ]


def _safe(next: str, prefix: str) -> str:
    """A path of this service; the web UI instead of anything that could lead elsewhere."""
    home = f"{prefix}/"
    if (
        not next.startswith(home)
        or next.startswith(("//", "/\\"))
        or len(next) > _LONGEST_NEXT
        or not next.isprintable()
        or "\\" in next
    ):
        return home
    return next


def _failure(title: str, text: str, prefix: str, status: int) -> Response:
    body = f"<p>{html.escape(text)}</p><p><a href='{prefix}/login'>Log in again</a></p>"
    return page(title, body, status)
