"""MLflow's page `/signup`: a form by which those create users who may."""

import html
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access import account_rules
from tandem_metadata.messages.accounts import CreateUser
from tandem_metadata.routes import users
from tandem_metadata.routes.endpoint import Context
from tandem_metadata.routes.plain_pages import page
from tandem_metadata.rules.accounts import LEAST_PASSWORD
from tandem_shared.errors import ApiError, PermissionDenied, missing_value
from tandem_shared.http.router import MESSAGE, Route, read_form
from tandem_shared.security.own_page import OwnPage

PAGE: Final = "/signup"
_ACTION: Final = "/api/2.0/mlflow/users/create-ui"
_BODY_BYTES: Final = 64 * 1024
_TITLE: Final = "Create a user"
_FORM: Final = (
    "<form method=post action='{action}' autocomplete=off>"
    "<p><label>User name<br><input name=username required value='{name}'></label></p>"
    "<p><label>Password, of at least {least} characters<br>"
    "<input name=password type=password required minlength={least} autocomplete=new-password>"
    "</label></p><p><button>Create</button></p></form>"
)


def routes(context: Context, prefix: str) -> list[Route]:
    """The page, and where its form leads; `context` is that of accounts.

    `prefix` is `--static-prefix`.
    """
    limit = min(context.settings.max_body_bytes, _BODY_BYTES)
    rule = account_rules.NEW_USER
    own_page = OwnPage()

    def shown(name: str = "", said: str = "", status: int = 200) -> Response:
        told = f"<p role=alert>{html.escape(said)}</p>" if said else ""
        action = f"{prefix}{_ACTION}"
        form = _FORM.format(action=action, name=html.escape(name), least=LEAST_PASSWORD)
        return page(_TITLE, told + form, status, form=True)

    async def show(request: Request) -> Response:
        await context.check(request, rule, None)
        return shown()

    async def create(request: Request) -> Response:
        # Pages of other origins can send forms, and a browser its password with them.
        if not own_page.is_sender(request.scope, programs=False):
            raise PermissionDenied(
                "Permission denied: this form is taken from the service's own page alone, and the "
                "browser must say so (Origin, Sec-Fetch-Site). Programs use users/create."
            )
        fields = await read_form(request, limit)
        asked = CreateUser(fields.get("username", ""), fields.get("password", ""))
        request.scope[MESSAGE] = asked
        await context.check(request, rule, asked)
        try:
            for name in ("username", "password"):
                if not fields.get(name):
                    raise missing_value(name)
            await users.create(context, asked)
        except ApiError as error:
            if error.status >= 500:
                raise
            return shown(asked.username, error.message, error.status)
        done = f"<p>The user '{html.escape(asked.username)}' has been created.</p>"
        ways = (
            f"<p><a href='{prefix}{PAGE}'>Create another</a> · <a href='{prefix}/'>MLflow</a></p>"
        )
        return page(_TITLE, done + ways)

    return [Route("GET", PAGE, show, rule), Route("POST", _ACTION, create, rule)]
