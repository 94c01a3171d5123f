"""Endpoints of tokens: Tandem's own, below `3.0/tandem`.

A token makes no tokens: these would outlive it when it is revoked. One that is restricted to
experiments sees and revokes only those that are restricted likewise.
"""

from typing import Any, Final

from tandem_metadata.access import account, token_rules
from tandem_metadata.access.account import Account
from tandem_metadata.database import Connection
from tandem_metadata.messages import tokens as messages
from tandem_metadata.routes.endpoint import READ, WRITE, Context, Endpoint
from tandem_metadata.rules import tokens as rules
from tandem_metadata.store.accounts import tokens
from tandem_metadata.store.accounts.tokens import Token
from tandem_shared.auth.rules import SIGNED_IN
from tandem_shared.clock import now_ms
from tandem_shared.errors import PermissionDenied, invalid_value

_BODY_BYTES: Final = 64 * 1024


async def create(context: Context, request: messages.CreateToken) -> messages.CreateTokenResponse:
    """Create a token, and show its text this once."""
    sender = account.sender()
    if sender.token_id is not None:
        raise PermissionDenied(
            "Permission denied: a token makes no other one, which would stay when it is revoked; "
            "sign in with a password or a session, or use `tandem-metadata token create`."
        )
    rules.check_name(request.name)
    expires_at = experiments = None
    if request.expires_in is not None:
        expires_at = now_ms() + _seconds(request.expires_in) * 1000
    if request.experiments is not None:
        experiments = rules.experiments_of(request.experiments)
    made, text = await context.write(
        lambda conn: tokens.create(
            conn,
            request.username or sender.name,
            request.name,
            expires_at=expires_at,
            read_only=request.read_only,
            experiments=experiments,
        )
    )
    return messages.CreateTokenResponse(_message(made), text)


async def find(context: Context, request: messages.ListTokens) -> messages.ListTokensResponse:
    """List the tokens of a user, the newest first."""
    sender = account.sender()
    found = await context.read(tokens.of_user, request.username or sender.name)
    return messages.ListTokensResponse([_message(each) for each in found if _sees(sender, each)])


async def revoke(context: Context, request: messages.RevokeToken) -> None:
    """Revoke a token: this service refuses it from now on, others some seconds later."""
    username = await context.write(_revoke, account.sender(), request.token_id)
    context.authenticator.changed.note(username)


def _revoke(conn: Connection, sender: Account, token_id: str) -> str:
    revoked = tokens.revoke(conn, token_id)
    if not _sees(sender, revoked):
        raise tokens.not_found(token_id)  # which rolls back
    return revoked.username


def _sees(sender: Account, token: Token) -> bool:
    if token.username != sender.name and not sender.admin:
        return False
    if sender.experiments is None:
        return True
    return token.experiments is not None and set(token.experiments) <= {*sender.experiments}


def _seconds(given: int) -> int:
    if not 0 < given <= rules.LONGEST_SECONDS:
        raise invalid_value(
            "expires_in", given, f"it must be seconds from 1 to {rules.LONGEST_SECONDS}"
        )
    return given


def _message(token: Token) -> messages.Token:
    values = token._asdict()
    del values["user_id"]
    return messages.Token(**values)


_PATH: Final = "3.0/tandem/tokens"

ENDPOINTS: list[Endpoint[Any]] = [
    Endpoint(
        "POST",
        f"{_PATH}/create",
        messages.CreateToken,
        WRITE,
        create,
        token_rules.NEW,
        _BODY_BYTES,
    ),
    Endpoint("GET", f"{_PATH}/list", messages.ListTokens, READ, find, token_rules.OWN),
    Endpoint(
        "POST", f"{_PATH}/revoke", messages.RevokeToken, WRITE, revoke, SIGNED_IN, _BODY_BYTES
    ),
]
