"""The rules of the endpoints about tokens: each user has his own, and administrators see to all."""

from typing import Any, Final

from tandem_metadata.access.rules import Caller, MessageRule
from tandem_metadata.rules.permissions import Action
from tandem_shared.errors import PermissionDenied


async def _own(caller: Caller, message: Any) -> None:
    name = caller.account.name
    if message.username is not None and message.username != name:
        raise PermissionDenied(
            f"Permission denied: user '{name}' has to do with his own tokens only; those of others "
            "are for administrators."
        )


async def _new(caller: Caller, message: Any) -> None:
    await _own(caller, message)
    for each in message.experiments or ():
        caller.need_experiment(Action.READ, each)


OWN: Final = MessageRule("the user himself; administrators", check=_own)
NEW: Final = MessageRule(
    "the user himself, with READ on each experiment that is named; administrators; none by a token",
    check=_new,
)
