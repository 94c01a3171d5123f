"""Which experiments the request under way may write to, asked while it is carried out.

An id of a trace may turn out to be one of another experiment than the request names.
"""

from collections.abc import Callable

from tandem_metadata.access import account
from tandem_metadata.rules import permissions
from tandem_metadata.rules.permissions import Action, Key


def experiments(type: str) -> Callable[[str], bool] | None:
    """Whether what is of a type may be changed in an experiment, by its id; None if in all.

    Any thread may call it, also after the request.
    """
    sender = account.current()
    if sender is None or sender.admin:
        return None

    def may_write(experiment_id: str) -> bool:
        own = Key(permissions.EXPERIMENT, experiment_id)
        return sender.permits(Action.READ, own) and sender.permits(Action.UPDATE, Key(type), own)

    return may_write
