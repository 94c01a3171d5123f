"""What the router asks before each request: who sends it, and whether he may."""

from typing import Final
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.types import Scope

from tandem_artifacts.access.gate import Gate
from tandem_artifacts.access.proof import Proofs
from tandem_artifacts.routes.rules import PathRule
from tandem_shared.auth.grants import HEADER, PARAMETER, Action
from tandem_shared.auth.rules import PRINCIPAL, Guard, Principal, Rule
from tandem_shared.errors import PermissionDenied, Unauthenticated
from tandem_shared.http.exchange import request_header
from tandem_shared.security.own_page import REFUSAL, OwnPage

_GATE: Final = "tandem.gate"
_GRANT: Final = "tandem.grant"
_PROOF: Final = "tandem.proof"
_GRANT_HEADER: Final = HEADER.encode("ascii")
_PARAMETER: Final = PARAMETER.encode("ascii")


def guard(gate: Gate, proofs: Proofs, own_page: OwnPage) -> Guard:
    """The guard of all routes; `own_page` says whose changes are taken that browsers prove alone.

    A rule without a path, as of a URL that no route has, asks for credentials of any kind: it gives
    nothing away, so that nobody is asked about them.
    """

    async def admit(scope: Scope, rule: Rule, changes: bool) -> None:
        scope[_GATE] = gate
        token = scope[_GRANT] = _take_grant(scope)
        proof = scope[_PROOF] = None if token else proofs.of(scope)
        if proof and proof.by_itself and changes and not own_page.is_sender(scope, programs=True):
            raise PermissionDenied(REFUSAL)
        if token is None and proof is None:
            raise Unauthenticated(
                "You are not authenticated: send the user name and password (Basic), or the token "
                "(Bearer), that the metadata service takes. MLflow's client sends what "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
                "hold."
            )
        if isinstance(rule, PathRule):
            await permit(scope, rule.path(Request(scope)), rule.action)

    return admit


async def permit(scope: Scope, path: str, action: Action) -> None:
    """Raise ApiError unless the request's sender may do this at a canonical path.

    For routes whose path is not in the URL alone. Where nobody is authenticated it does nothing.
    """
    gate: Gate | None = scope.get(_GATE)
    if gate is None:
        return
    if token := scope[_GRANT]:
        grant = await gate.presented(token)
        scope[PRINCIPAL] = Principal(grant.sub)
        if not grant.covers(path, action):
            raise PermissionDenied("Permission denied: the grant is for another path or action.")
    else:
        try:
            grant = await gate.permitted(scope[_PROOF], path, action)
        except PermissionDenied as error:
            if error.user:
                scope[PRINCIPAL] = Principal(error.user)
            raise
        scope[PRINCIPAL] = Principal(grant.sub)


def _take_grant(scope: Scope) -> str | None:
    """The grant in the header or the URL, which then has none: nobody logs or repeats it."""
    query: bytes = scope["query_string"]
    if _PARAMETER not in query:
        return request_header(scope, _GRANT_HEADER) or None
    kept, found = [], request_header(scope, _GRANT_HEADER)
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == _PARAMETER:
            found = found or unquote_plus(value.decode("latin-1"))
        else:
            kept.append(part)
    scope["query_string"] = b"&".join(kept)
    return found or None
