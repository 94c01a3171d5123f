"""The rules of endpoints of scorers, which are granted one by one, beside their experiment.

To read the experiment is needed in any case. What decides more is a grant on the scorer, and not
one on the experiment; one on all versions decides about these.
"""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from tandem_metadata.access.rules import Caller, MessageRule, experiment_key
from tandem_metadata.messages.scorers import Scorer
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key, Readable

_VERSIONS: Final = Key(permissions.SCORER_VERSION)


def pattern(experiment_id: str, name: str) -> str:
    """By what grants name a scorer; no other scorer has it."""
    return f"{experiment_key(experiment_id).id}/{quote(name, safe='')}"


def readable(found: Iterable[Scorer], which: Readable | None) -> list[Scorer]:
    """Those of the scorers that listings show; None for all."""
    return [
        each
        for each in found
        if which is None or pattern(str(each.experiment_id), each.scorer_name) in which
    ]


def _key(message: Any) -> Key:
    return Key(permissions.SCORER, pattern(message.experiment_id, message.name))


def _what(message: Any) -> str:
    return f"scorer {message.name[:100]!r} of experiment {message.experiment_id[:100]}"


async def _register(caller: Caller, message: Any) -> None:
    caller.need_experiment(Action.UPDATE, message.experiment_id)
    caller.account.need(Action.NOT_DENIED, _what(message), _key(message))
    caller.account.need(Action.NOT_DENIED, "new versions of scorers", _VERSIONS)


async def _list(caller: Caller, message: Any) -> None:
    if message.experiment_id:
        caller.need_experiment(Action.READ, message.experiment_id)


async def _read(caller: Caller, message: Any) -> None:
    caller.need_experiment(Action.READ, message.experiment_id)
    caller.account.need(Action.READ, _what(message), _key(message))
    caller.account.need(
        Action.NOT_DENIED, f"versions of {_what(message)}", _VERSIONS, _key(message)
    )


async def _delete(caller: Caller, message: Any) -> None:
    caller.need_experiment(Action.READ, message.experiment_id)
    action = Action.DELETE if message.version is None else Action.READ
    caller.account.need(action, _what(message), _key(message))
    caller.account.need(Action.DELETE, f"versions of {_what(message)}", _VERSIONS, _key(message))


REGISTER: Final = MessageRule(
    "EDIT on the experiment; the scorer and versions not denied", check=_register
)
LIST: Final = MessageRule(
    "READ on the experiment if one is named; the answer holds what the user may read", check=_list
)
READ: Final = MessageRule("READ on the experiment and the scorer", check=_read)
DELETE: Final = MessageRule(
    "READ on the experiment, MANAGE on the scorer; on its versions alone for one version",
    check=_delete,
)
