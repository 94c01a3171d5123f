"""What the artifacts service asks: what the sender of a request may do, and the keys of grants."""

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tandem_metadata.access.vouched import GRANTS
from tandem_metadata.routes.endpoint import BODY_BYTES, Context, decode
from tandem_shared import paths
from tandem_shared.auth.grants import Action
from tandem_shared.auth.rules import PRINCIPAL, PUBLIC, Principal, Rule
from tandem_shared.errors import PermissionDenied, invalid_value
from tandem_shared.http.router import Route, json_response
from tandem_shared.wire import codec

KEYS = "/api/3.0/tandem/jwks"

_GRANTED = Rule("any user; the answer holds what he may do")


class AskGrant(Struct):
    """Request of `artifact-grants`."""

    action: codec.Required
    """`read`, `write` or `delete`."""
    path: str | None = None
    """A path on the artifacts service; its root if there is none."""


class Granted(Struct):
    """Answer of `artifact-grants`."""

    grant: str
    """A token of `tandem_shared.auth.grants`."""


class Refused(Struct):
    """Answer of `artifact-grants` to a user who may not: the error, and who he is."""

    error_code: str
    message: str
    user: str


def routes(context: Context) -> list[Route]:
    """Grants and their keys; none where nobody is authenticated."""
    gate = context.gate
    if gate is None:
        return []
    limit = min(context.settings.max_body_bytes, BODY_BYTES)
    signer = gate.artifacts.signer

    async def grant(request: Request) -> Response:
        asked = await decode(request, AskGrant, limit)
        try:
            action = Action(asked.action)
        except ValueError:
            raise invalid_value("action", asked.action, f"use {', '.join(Action)}") from None
        try:
            found = await gate.artifact_grant(paths.canonical_optional(asked.path), action)
        except PermissionDenied as error:
            user: Principal = request.scope[PRINCIPAL]
            refused = Refused(error.code, error.message, user.name)
            return json_response(codec.encode_json(refused), error.status)
        return json_response(codec.encode_json(Granted(await signer.sign(found))))

    async def keys(_: Request) -> Response:
        return json_response(codec.encode_json({"keys": await signer.public_keys()}))

    return [
        Route("POST", GRANTS, grant, _GRANTED, reads=True),
        Route("GET", KEYS, keys, PUBLIC),
    ]
