"""Who may do what with artifacts, as grants that the artifacts service takes."""

from tandem_metadata.access import account as accounts
from tandem_metadata.access.account import Account
from tandem_metadata.access.artifact_owners import ArtifactOwners, Owner
from tandem_metadata.access.signing import Signer
from tandem_shared.auth.grants import Action, Grant
from tandem_shared.errors import PermissionDenied

_READING = frozenset({Action.READ})
_SHOWN = 100


class ArtifactAccess:
    """Of one process; the event loop calls all methods."""

    def __init__(self, owners: ArtifactOwners, signer: Signer) -> None:
        self.owners = owners
        self.signer = signer

    async def grant(self, account: Account, path: str, action: Action) -> Grant:
        """What a user may do with all that a canonical path belongs to, the action among it.

        For a file of a run it is for all files of the run. Raises PermissionDenied, which tells
        nobody more of a path than he may read.
        """
        if account.read_only and action is not Action.READ:
            raise PermissionDenied("Permission denied: this token is for reading only.")
        able = _READING if account.read_only else frozenset(Action)
        if account.admin:
            return Grant(account.name, "", able)
        owner = await self.owners.owner(path)
        permitted = frozenset(each for each in able if owner and owner.permits(account, each))
        if owner is None or action not in permitted:
            raise _denied(account, path, action, owner if Action.READ in permitted else None)
        return Grant(account.name, owner.prefix, permitted, owner.exact)

    async def token(self, path: str, action: Action, *, exact: bool = False) -> str:
        """A grant for the user of the request under way, signed, whose route has decided already.

        Without `exact` it is for what lies below the path too.
        """
        user = accounts.current()
        name = user.name if user else ""
        return await self.signer.sign(Grant(name, path, frozenset({action}), exact))


def _denied(account: Account, path: str, action: Action, owner: Owner | None) -> PermissionDenied:
    """The refusal; it names the owner if there is one, which the user must be able to read."""
    shown = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
    what = owner.name if owner else f"what '{shown}' belongs to"
    also = "" if owner else " What belongs to no experiment is for administrators."
    return PermissionDenied(f"{account.lacks(Owner.level(action), what)}{also}")
